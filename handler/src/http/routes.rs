//! The table of routes.

use warp::http::Method;

/// A route, and what it is called as a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The name of its function.
    pub function: &'static str,
    /// What it takes.
    pub verb: Verb,
    /// Its path; `{…}` stands for one segment.
    pub path: &'static str,
    /// What answers it.
    pub endpoint: Endpoint,
}

/// The method that a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// GET, and HEAD with it.
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

impl Verb {
    /// The methods as `Allow` lists them.
    pub fn methods(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// The method by which it is known: HEAD goes with GET.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn takes(self, method: &Method) -> bool {
        match self {
            Self::Get => matches!(*method, Method::GET | Method::HEAD),
            Self::Post => method == Method::POST,
            Self::Put => method == Method::PUT,
            Self::Patch => method == Method::PATCH,
            Self::Delete => method == Method::DELETE,
        }
    }
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
    CreateProduct,
    ReplaceProduct,
    UpdateProduct,
    DeleteProduct,
    SignUp,
    Login,
    RefreshToken,
    Logout,
    ResetPassword,
    Me,
    ListUsers,
    UpdateUser,
    ListImports,
    GetImport,
    ImportRejects,
    CancelImport,
    RetryImport,
    Stats,
    Dashboard,
    Docs,
    OpenApi,
}

impl Endpoint {
    /// Whether it answers out of the catalogue.
    pub fn is_catalogue(self) -> bool {
        matches!(
            self,
            Self::ListProducts
                | Self::GetProduct
                | Self::ListCategories
                | Self::CategoryName
                | Self::CategoryCount
        )
    }

    /// Whether it is a list of those who administer, with pages.
    pub(super) fn has_parameters(self) -> bool {
        matches!(self, Self::ListUsers | Self::ListImports)
    }
}

const fn get(function: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { function, verb: Verb::Get, path, endpoint }
}

const fn post(function: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { function, verb: Verb::Post, path, endpoint }
}

const fn put(function: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { function, verb: Verb::Put, path, endpoint }
}

const fn patch(function: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { function, verb: Verb::Patch, path, endpoint }
}

const fn delete(function: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { function, verb: Verb::Delete, path, endpoint }
}

/// Every route there is, those most asked for first.
pub const ROUTES: [Route; 29] = [
    get("ListProducts", "/products", Endpoint::ListProducts),
    get("GetProduct", "/products/{asin}", Endpoint::GetProduct),
    get("Home", "/", Endpoint::Home),
    get("ListCategories", "/categories", Endpoint::ListCategories),
    get("CategoryName", "/category/name", Endpoint::CategoryName),
    get("CategoryCount", "/category/count", Endpoint::CategoryCount),
    get("Health", "/health", Endpoint::Health),
    get("Ready", "/health/ready", Endpoint::Ready),
    post("CreateProduct", "/products", Endpoint::CreateProduct),
    put("ReplaceProduct", "/products/{asin}", Endpoint::ReplaceProduct),
    patch("UpdateProduct", "/products/{asin}", Endpoint::UpdateProduct),
    delete("DeleteProduct", "/products/{asin}", Endpoint::DeleteProduct),
    post("SignUp", "/signup", Endpoint::SignUp),
    post("Login", "/login", Endpoint::Login),
    post("RefreshToken", "/login/refresh", Endpoint::RefreshToken),
    post("Logout", "/logout", Endpoint::Logout),
    post("ResetPassword", "/password/reset", Endpoint::ResetPassword),
    get("Me", "/me", Endpoint::Me),
    get("ListUsers", "/users", Endpoint::ListUsers),
    patch("UpdateUser", "/users/{id}", Endpoint::UpdateUser),
    get("ListImports", "/imports", Endpoint::ListImports),
    get("GetImport", "/imports/{id}", Endpoint::GetImport),
    get("ImportRejects", "/imports/{id}/rejects", Endpoint::ImportRejects),
    delete("CancelImport", "/imports/{id}", Endpoint::CancelImport),
    post("RetryImport", "/imports/{id}/retry", Endpoint::RetryImport),
    get("Stats", "/stats", Endpoint::Stats),
    get("Dashboard", "/dashboard", Endpoint::Dashboard),
    get("Docs", "/docs", Endpoint::Docs),
    get("OpenApi", "/openapi.json", Endpoint::OpenApi),
];

/// What a method and a path lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// A route.
    Found(Found<'a>),
    /// There are routes at the path, for these methods alone.
    OtherMethods(String),
    /// There is nothing at the path.
    Nothing,
}

/// A route that a request leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// What answers it.
    pub endpoint: Endpoint,
    /// The segment that stands for `{…}`; empty where the route has none.
    pub parameter: &'a str,
}

/// The route of a request. A trailing slash changes nothing.
pub fn find<'a>(method: &Method, path: &'a str) -> Lookup<'a> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut others = Vec::new();
    for route in ROUTES {
        let Some(parameter) = parameter(route.path, path) else { continue };
        if route.verb.takes(method) {
            return Lookup::Found(Found { endpoint: route.endpoint, parameter });
        }
        others.push(route.verb.methods());
    }
    if others.is_empty() { Lookup::Nothing } else { Lookup::OtherMethods(others.join(", ")) }
}

/// What stands for `{…}` if the path is one of this route; empty where the route has none.
fn parameter<'a>(route: &str, path: &'a str) -> Option<&'a str> {
    let Some((beginning, rest)) = route.split_once('{') else {
        return (path == route.trim_end_matches('/')).then_some("");
    };
    let end = rest.split_once('}').map_or("", |(_, end)| end);
    let segment = path.strip_prefix(beginning)?.strip_suffix(end)?;
    (!segment.is_empty() && !segment.contains('/')).then_some(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_found_by_its_own_path_with_and_without_a_slash() {
        for route in ROUTES {
            let path = route.path.replace("{asin}", "B01").replace("{id}", "B01");
            let methods = route.verb.methods();
            let method: Method = methods.split(", ").next().unwrap().parse().unwrap();
            for path in [path.clone(), format!("{}/", path.trim_end_matches('/'))] {
                let Lookup::Found(found) = find(&method, &path) else { panic!("{path}") };
                assert_eq!(found.endpoint, route.endpoint, "{path}");
                let has_parameter = route.path.contains('{');
                assert_eq!(found.parameter, if has_parameter { "B01" } else { "" });
            }
        }
    }

    #[test]
    fn other_paths_lead_nowhere_and_other_methods_are_told_of() {
        for path in ["/nothing", "/products/a/b", "/product", "/productsB", "//", "/health//ready"]
        {
            assert_eq!(find(&Method::GET, path), Lookup::Nothing, "{path}");
        }
        let others = find(&Method::POST, "/categories");
        assert_eq!(others, Lookup::OtherMethods("GET, HEAD".to_owned()));
    }

    #[test]
    fn a_parameter_may_stand_in_the_middle() {
        assert_eq!(parameter("/imports/{id}/rejects", "/imports/7/rejects"), Some("7"));
        for path in ["/imports/7", "/imports//rejects", "/imports/7/8/rejects"] {
            assert_eq!(parameter("/imports/{id}/rejects", path), None, "{path}");
        }
    }
}
