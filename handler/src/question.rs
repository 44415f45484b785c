//! What can be asked of the catalogue and kept as a finished answer.

use async_trait::async_trait;
use http::HeaderValue;
use serde::Serialize;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::cache::Origin;
use crate::cache::answer::Answer;
use crate::cache::shared::Place;
use crate::cache::versions::{Known, Row, Tag, Tags, Version, Versions};
use crate::catalog::{Asin, Category, CategoryId, PageQuery, slug, write_json_array};
use crate::store::users::{Rights, User};
use crate::store::{Store, StoreError};

use std::sync::Arc;

/// A question; equal ones have the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// A page of products.
    Page(PageQuery),
    /// One product.
    Product(Asin),
    /// All categories.
    Categories,
    /// The slug of one category.
    CategoryName(CategoryId),
    /// How many products each category has.
    CategoryCounts,
    /// What somebody may do, and by which tokens.
    Rights(Uuid),
}

impl Question {
    /// The question as a text: the same for equal questions, another for others.
    pub fn name(&self) -> String {
        match self {
            Self::Page(query) => query.name(),
            Self::Product(asin) => format!("product/{asin}"),
            Self::Categories => "categories".to_owned(),
            Self::CategoryName(id) => format!("category/{}", id.get()),
            Self::CategoryCounts => "counts".to_owned(),
            Self::Rights(user) => format!("rights/{user}"),
        }
    }

    /// What kind of question it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Page(_) => "page",
            Self::Product(_) => "product",
            Self::Categories => "categories",
            Self::CategoryName(_) => "category name",
            Self::CategoryCounts => "category counts",
            Self::Rights(_) => "rights",
        }
    }

    /// The path by which a client asks it; `None` for what no client can ask.
    pub fn path(&self) -> Option<String> {
        Some(match self {
            Self::Page(query) => query.link(),
            Self::Product(asin) => format!("/products/{asin}"),
            Self::Categories => "/categories".to_owned(),
            Self::CategoryName(id) => format!("/category/name?category_id={}", id.get()),
            Self::CategoryCounts => "/category/count".to_owned(),
            Self::Rights(_) => return None,
        })
    }

    /// The question that is asked by this path, as [`Self::path`] writes it.
    pub fn at_path(path: &str) -> Option<Self> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match path {
            "/products" => PageQuery::parse(query).ok().map(Self::Page),
            "/categories" => Some(Self::Categories),
            "/category/count" => Some(Self::CategoryCounts),
            "/category/name" => {
                let id = query.strip_prefix("category_id=")?;
                CategoryId::parse("category_id", id).ok().map(Self::CategoryName)
            }
            _ => Asin::parse(path.strip_prefix("/products/")?).ok().map(Self::Product),
        }
    }

    /// The row that its answer depends on above all; `None` for a product, whose category is
    /// told by the answer.
    pub fn row(&self) -> Option<Row> {
        match self {
            Self::Product(_) => None,
            Self::Page(query) => Some(query.category.map_or(Row::CATALOGUE, Row::category)),
            Self::Rights(_) => Some(Row::RIGHTS),
            Self::Categories | Self::CategoryName(_) | Self::CategoryCounts => Some(Row::CATALOGUE),
        }
    }

    /// Where its answer lies in the shared cache; `None` for answers that stay in the process:
    /// there is no end of searches and of filters by price, and nobody who can write to the
    /// shared cache is to hand out rights.
    pub fn place(&self) -> Option<Place> {
        self.place_by(&self.path()?)
    }

    /// The same for whoever has its path already.
    pub fn place_by(&self, path: &str) -> Option<Place> {
        let category = match self {
            _ if !self.is_shared() => return None,
            Self::Product(asin) => {
                return Some(Place { slot: format!("p:{asin}"), name: String::new() });
            }
            Self::Page(query) => query.category.map_or(0, CategoryId::get),
            _ => 0,
        };
        let name = Uuid::from_u128(xxh3_128(path.as_bytes())).simple().to_string();
        Some(Place { slot: category.to_string(), name })
    }

    /// Whether its answer is the rows' of its versions and of nothing else, so that it can be held
    /// against them. What a search finds comes later than its rows, on a server without a version
    /// of its own.
    pub fn can_be_audited(&self) -> bool {
        match self {
            Self::Page(query) => query.words.is_none(),
            Self::Rights(_) => false,
            _ => true,
        }
    }

    /// Whether its answer has a place in the shared cache.
    pub fn is_shared(&self) -> bool {
        match self {
            Self::Page(query) => query.is_bounded(),
            Self::Rights(_) => false,
            _ => true,
        }
    }
}

/// Answers made of a store's rows.
pub struct FromStore(pub Arc<dyn Store>);

#[async_trait]
impl Origin for FromStore {
    async fn versions(&self) -> Result<Arc<Versions>, StoreError> {
        self.0.versions().await
    }

    fn is_cheap_to_ask(&self) -> bool {
        self.0.tells_versions_cheaply()
    }

    async fn raise(&self, above: &Versions) -> Result<Arc<Versions>, StoreError> {
        self.0.raise_versions(above).await
    }

    async fn load(&self, question: &Question, known: &Known) -> Result<Answer, StoreError> {
        match question {
            Question::Page(query) => self.page(query).await,
            Question::Product(asin) => self.product(asin, known).await,
            Question::Categories => self.categories().await,
            Question::CategoryName(id) => self.category_name(*id).await,
            Question::CategoryCounts => self.category_counts().await,
            Question::Rights(user) => self.rights(*user, known).await,
        }
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    id: u32,
    category_name: &'a str,
    slug: String,
}

impl<'a> From<&'a Category> for Listed<'a> {
    fn from(category: &'a Category) -> Self {
        let name = category.name.as_str();
        Self { id: category.id.get(), category_name: name, slug: slug(name) }
    }
}

/// What somebody may do, and by which tokens.
#[derive(Debug, Clone, Copy, Serialize, serde::Deserialize)]
pub struct Standing {
    /// What they may do.
    pub rights: Rights,
    /// The epoch in which a token counts.
    pub epoch: i64,
}

impl FromStore {
    async fn page(&self, query: &PageQuery) -> Result<Answer, StoreError> {
        let read = self.0.page(query).await?;
        let Some(page) = read.value else {
            // A category that is made raises the catalogue's row.
            return Ok(Answer::absent(catalogue(read.version)));
        };
        let row = query.category.map_or(Row::CATALOGUE, Row::category);
        let tag = Tag { row, version: read.version };
        let tags = match page.search {
            Some(search) => Tags::both(tag, Tag { row: Row::SEARCH, version: search.version }),
            None => tag.into(),
        };
        let mut answer = Answer::found(tags, write_json_array(&page.products));
        answer.link = page.next.map(|next| {
            let link = format!("<{}>; rel=\"next\"", query.link_after(&next));
            HeaderValue::try_from(link).expect("a link is ASCII")
        });
        answer.total = page.total.map(HeaderValue::from);
        answer.search_lag =
            page.search.filter(|search| search.indexed < search.total).map(|search| {
                let lag = format!("{}/{}", search.indexed, search.total);
                HeaderValue::try_from(lag).expect("numbers are ASCII")
            });
        Ok(answer)
    }

    /// The category of a product is in its row, so its version cannot be read first: what
    /// was known before the call stands for it, and is not newer than the row.
    async fn product(&self, asin: &Asin, known: &Known) -> Result<Answer, StoreError> {
        let Some(product) = self.0.product(asin).await? else {
            return Ok(Answer::absent(catalogue(known.version(Row::CATALOGUE))));
        };
        let row = Row::category(product.category_id);
        let mut body = Vec::with_capacity(400);
        product.write_json(&mut body);
        Ok(Answer::found(Tag { row, version: known.version(row) }, body))
    }

    async fn categories(&self) -> Result<Answer, StoreError> {
        let read = self.0.categories().await?;
        let listed: Vec<_> = read.value.iter().map(Listed::from).collect();
        Ok(Answer::found(catalogue(read.version), json(&listed)))
    }

    async fn category_name(&self, id: CategoryId) -> Result<Answer, StoreError> {
        let read = self.0.categories().await?;
        let tag = catalogue(read.version);
        let category = read.value.iter().find(|category| category.id == id);
        Ok(category.map_or(Answer::absent(tag), |category| {
            Answer::found(tag, json(&slug(category.name.as_str())))
        }))
    }

    /// Absence may be kept: tokens are given only to users who are there, and none is removed.
    async fn rights(&self, user: Uuid, known: &Known) -> Result<Answer, StoreError> {
        let tag = Tag { row: Row::RIGHTS, version: known.version(Row::RIGHTS) };
        let user = self.0.user(user).await?.filter(|user| !user.is_pending);
        Ok(user.map_or(Answer::absent(tag), |User { rights, epoch, .. }| {
            Answer::found(tag, json(&Standing { rights, epoch }))
        }))
    }

    async fn category_counts(&self) -> Result<Answer, StoreError> {
        let read = self.0.category_counts().await?;
        Ok(Answer::found(catalogue(read.version), json(&read.value)))
    }
}

fn catalogue(version: Version) -> Tag {
    Tag { row: Row::CATALOGUE, version }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("answers are made of texts, numbers and lists")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_told_by_their_paths() {
        let paths = [
            "/products",
            "/products?category_id=3",
            "/products?category_id=3&best_seller=true&sort=-stars&limit=5",
            "/products?sort=price",
            "/products/B00LAMP001",
            "/categories",
            "/category/name?category_id=3",
            "/category/count",
        ];
        let mut places = Vec::new();
        for path in paths {
            let question = Question::at_path(path).unwrap();
            assert_eq!(question.path().as_deref(), Some(path));
            places.push(question.place().unwrap());
        }
        assert_eq!(places[1].slot, "3");
        assert_eq!((places[4].slot.as_str(), places[4].name.as_str()), ("p:B00LAMP001", ""));
        for (at, place) in places.iter().enumerate() {
            assert!(!places[..at].contains(place), "{}", paths[at]);
        }
        let Some(Question::Page(query)) = Question::at_path("/products?limit=2&sort=price") else {
            panic!("a page");
        };
        let after = crate::catalog::Position { key: Some(99), asin: Asin::parse("B1").unwrap() };
        let next = Question::Page(PageQuery { after: Some(after), ..query });
        assert_eq!(Question::at_path(&next.path().unwrap()), Some(next));
    }

    #[test]
    fn what_has_no_end_or_gives_rights_is_not_shared() {
        for path in ["/products?q=steel", "/products?min_price=1", "/products?max_price=2"] {
            assert_eq!(Question::at_path(path).unwrap().place(), None, "{path}");
        }
        assert_eq!(Question::Rights(Uuid::nil()).place(), None);
        for path in ["/", "/products/", "/products?x=1", "/category/name", "/imports"] {
            assert_eq!(Question::at_path(path), None, "{path}");
        }
    }
}
