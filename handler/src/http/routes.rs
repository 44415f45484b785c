//! The table of routes.

/// A route, and what it is called as a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The name of its function.
    pub function: &'static str,
    /// Its path; `{…}` stands for one segment.
    pub path: &'static str,
    /// What answers it.
    pub endpoint: Endpoint,
}

/// What answers a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the function of this name in the table")]
pub enum Endpoint {
    Home,
    Health,
    Ready,
    ListProducts,
    GetProduct,
    ListCategories,
    CategoryName,
    CategoryCount,
}

impl Endpoint {
    /// Whether it answers out of the catalogue.
    pub fn is_catalogue(self) -> bool {
        match self {
            Self::ListProducts
            | Self::GetProduct
            | Self::ListCategories
            | Self::CategoryName
            | Self::CategoryCount => true,
            Self::Home | Self::Health | Self::Ready => false,
        }
    }
}

const fn route(function: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { function, path, endpoint }
}

/// Every route there is, those most asked for first. All of them take GET and HEAD.
pub const ROUTES: [Route; 8] = [
    route("ListProducts", "/products", Endpoint::ListProducts),
    route("GetProduct", "/products/{asin}", Endpoint::GetProduct),
    route("Home", "/", Endpoint::Home),
    route("ListCategories", "/categories", Endpoint::ListCategories),
    route("CategoryName", "/category/name", Endpoint::CategoryName),
    route("CategoryCount", "/category/count", Endpoint::CategoryCount),
    route("Health", "/health", Endpoint::Health),
    route("Ready", "/health/ready", Endpoint::Ready),
];

/// A route that a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// What answers it.
    pub endpoint: Endpoint,
    /// The segment that stands for `{…}`; empty where the route has none.
    pub parameter: &'a str,
}

/// The route of a path. A trailing slash changes nothing.
pub fn find(path: &str) -> Option<Found<'_>> {
    let path = path.strip_suffix('/').unwrap_or(path);
    ROUTES.iter().find_map(|route| {
        let parameter = match route.path.split_once('{') {
            None => (path == route.path.trim_end_matches('/')).then_some("")?,
            Some((beginning, _)) => path.strip_prefix(beginning).filter(|rest| is_segment(rest))?,
        };
        Some(Found { endpoint: route.endpoint, parameter })
    })
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_found_by_its_own_path_with_and_without_a_slash() {
        for route in ROUTES {
            let path = route.path.replace("{asin}", "B01");
            for path in [path.clone(), format!("{}/", path.trim_end_matches('/'))] {
                let found = find(&path).unwrap();
                assert_eq!(found.endpoint, route.endpoint, "{path}");
                let has_parameter = route.path.contains('{');
                assert_eq!(found.parameter, if has_parameter { "B01" } else { "" });
            }
        }
    }

    #[test]
    fn other_paths_lead_nowhere() {
        for path in ["/nothing", "/products/a/b", "/product", "/productsB", "//", "/health//ready"]
        {
            assert_eq!(find(path), None, "{path}");
        }
    }
}
