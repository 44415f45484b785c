//! A database of two products in two categories. What each list holds is the number of the last
//! write that it shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;
use vitrine::cache::Origin;
use vitrine::cache::answer::Answer;
use vitrine::cache::versions::{Known, Row, Tag, Tags, Versions};
use vitrine::catalog::Asin;
use vitrine::question::Question;
use vitrine::store::StoreError;

use super::tally::Kind;
use super::world::{Fault, World};

/// What is wrong with the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    Nothing,
    /// Rows are read before their version: they may be older than their tag.
    RowsFirst,
    /// A search depends on its category alone.
    NoIndex,
    /// What was not there is said to depend on nothing.
    AbsentForEver,
    /// After a restore the versions are left as they are.
    NothingRaised,
    /// What the store says of the versions is never news: only what was published counts.
    NoReconciliation,
    /// A write deletes the pages that it touches, and no version is published.
    Deletion,
    /// The versions are counted in the shared cache, and nowhere else.
    CountedInShared,
    /// Whoever has loaded drops the lease, whosever it is by then.
    NoToken,
}

impl Flaw {
    pub const ALL: [Self; 8] = [
        Self::RowsFirst,
        Self::NoIndex,
        Self::AbsentForEver,
        Self::NothingRaised,
        Self::NoReconciliation,
        Self::Deletion,
        Self::CountedInShared,
        Self::NoToken,
    ];
}

/// What can be seen: the catalogue, the categories 1 and 2, the search index, two products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object(pub usize);

impl Object {
    pub const ALL: usize = 6;
    pub const CATALOGUE: Self = Self(0);
    pub const INDEX: Self = Self(3);

    pub fn category(id: i64) -> Self {
        Self(usize::try_from(id).unwrap())
    }

    pub fn product(number: usize) -> Self {
        Self(4 + number)
    }
}

/// Everything that a restore brings back.
#[derive(Debug, Clone)]
pub struct State {
    pub versions: BTreeMap<Row, i64>,
    /// The number of the last write that each object shows.
    pub shows: [u64; Object::ALL],
    /// Where the products are; `None` for one that is not there.
    pub category_of: [Option<i64>; 2],
}

impl State {
    pub fn new() -> Self {
        let rows = [-1, 0, 1, 2];
        Self {
            versions: rows.map(|row| (Row(row), 1)).into(),
            shows: [0; Object::ALL],
            category_of: [Some(1), Some(2)],
        }
    }

    /// The whole table.
    pub fn table(&self) -> Versions {
        self.versions.iter().map(|(row, version)| (*row, *version)).collect()
    }

    /// Raises rows above what they are, and never below the clock.
    pub fn raise(&mut self, rows: impl IntoIterator<Item = (Row, i64)>, clock: i64) {
        for (row, least) in rows {
            let version = self.versions.entry(row).or_insert(0);
            *version = (*version.max(&mut least.clone()) + 1).max(clock);
        }
    }

    /// A product moves to a category, stays there as another one, or goes. Gives the objects
    /// that show it.
    pub fn write(
        &mut self,
        product: usize,
        to: Option<i64>,
        number: u64,
        clock: i64,
    ) -> Vec<Object> {
        let from = self.category_of[product].take();
        self.category_of[product] = to;
        let mut categories: Vec<_> = from.into_iter().chain(to).collect();
        categories.sort_unstable();
        categories.dedup();
        let mut objects = vec![Object::product(product), Object::CATALOGUE];
        objects.extend(categories.iter().map(|id| Object::category(*id)));
        self.show(&objects, number);
        self.raise(categories.into_iter().map(|id| (Row(id), 0)), clock);
        self.raise([(Row::CATALOGUE, 0)], clock);
        objects
    }

    /// The search index catches up.
    pub fn index(&mut self, number: u64, clock: i64) -> Vec<Object> {
        self.show(&[Object::INDEX], number);
        self.raise([(Row::SEARCH, 0)], clock);
        vec![Object::INDEX]
    }

    fn show(&mut self, objects: &[Object], number: u64) {
        for object in objects {
            self.shows[object.0] = number;
        }
    }
}

/// The database, as one life of an instance sees it.
pub struct Database {
    pub world: Arc<World>,
    pub instance: usize,
    pub life: u64,
}

/// The objects that an answer shows.
pub fn objects_of(question: &Question) -> Vec<Object> {
    match question {
        Question::Page(query) => {
            let page = query
                .category
                .map_or(Object::CATALOGUE, |id| Object::category(i64::from(id.get())));
            let index = query.words.is_some().then_some(Object::INDEX);
            [page].into_iter().chain(index).collect()
        }
        Question::Product(asin) => vec![Object::product(number_of(asin))],
        _ => unreachable!("not asked"),
    }
}

fn number_of(asin: &Asin) -> usize {
    asin.as_str().parse().unwrap()
}

impl Database {
    /// Some time passes, and what was asked for may get lost in it.
    async fn pass(&self) -> Result<(), StoreError> {
        self.world.while_it_lives(self.instance, self.life, self.world.delay()).await;
        match self.world.database_fault() {
            None => Ok(()),
            Some(Fault::Error) => Err(StoreError::Unreachable("away".into())),
            Some(Fault::Silence) => {
                sleep(Duration::from_secs(30)).await;
                Err(StoreError::Unreachable("silent".into()))
            }
        }
    }

    fn version(&self, row: Row) -> i64 {
        self.world.state().versions[&row]
    }

    fn shows(&self, object: Object) -> u64 {
        self.world.state().shows[object.0]
    }

    async fn product(&self, number: usize, known: &Known) -> Result<Answer, StoreError> {
        // Its category is in the row, so nothing can be read before it (DESIGN 4.7).
        let (category, shows) = {
            let state = self.world.state();
            (state.category_of[number], state.shows[Object::product(number).0])
        };
        let row = category.map_or(Row::CATALOGUE, Row);
        let version = match self.world.flaw {
            Flaw::RowsFirst => {
                self.pass().await?;
                self.version(row)
            }
            _ => known.version(row),
        };
        self.pass().await?;
        let tag = Tag { row, version };
        Ok(match (category, self.world.flaw) {
            (Some(_), _) => Answer::found(tag, shows.to_string().into_bytes()),
            (None, Flaw::AbsentForEver) => Answer::absent(Tag { row: Row(77), version: 1 }),
            (None, _) => Answer::absent(tag),
        })
    }

    async fn list(&self, question: &Question) -> Result<Answer, StoreError> {
        let objects = objects_of(question);
        let row = question.row().unwrap();
        let rows = [row, if objects.len() > 1 { Row::SEARCH } else { row }];
        let tags = || rows.map(|row| Tag { row, version: self.version(row) });
        let texts = || objects.iter().map(|o| self.shows(*o).to_string()).collect::<Vec<_>>();
        let (tags, texts) = if self.world.flaw == Flaw::RowsFirst {
            let texts = texts();
            self.pass().await?;
            (tags(), texts)
        } else {
            let tags = tags();
            self.pass().await?;
            (tags, texts())
        };
        self.pass().await?;
        let body = texts.join(" ").into_bytes();
        Ok(match self.world.flaw {
            Flaw::NoIndex => Answer::found(tags[0], body),
            _ => Answer::found(Tags::both(tags[0], tags[1]), body),
        })
    }
}

#[async_trait]
impl Origin for Database {
    async fn versions(&self) -> Result<Arc<Versions>, StoreError> {
        self.pass().await?;
        let versions = match self.world.flaw {
            Flaw::NoReconciliation | Flaw::CountedInShared => self.world.published(),
            _ => self.world.state().table(),
        };
        self.pass().await?;
        Ok(Arc::new(versions))
    }

    async fn raise(&self, above: &Versions) -> Result<Arc<Versions>, StoreError> {
        self.pass().await?;
        let versions = {
            let clock = self.world.clock();
            let mut state = self.world.state();
            if self.world.flaw != Flaw::NothingRaised {
                state.raise(above.iter().map(|(row, version)| (*row, *version)), clock);
            }
            state.table()
        };
        self.pass().await?;
        Ok(Arc::new(versions))
    }

    async fn load(&self, question: &Question, known: &Known) -> Result<Answer, StoreError> {
        self.world.loads(self.instance, self.life, question);
        self.pass().await?;
        if let Some(slow) = self.world.slow_load() {
            self.world.happened(Kind::SlowLoad);
            self.world.while_it_lives(self.instance, self.life, slow).await;
        }
        match question {
            Question::Product(asin) => self.product(number_of(asin), known).await,
            _ => self.list(question).await,
        }
    }
}
