//! Routes as the host matches them: templates with constraints, the most exact first.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::function::{Function, Http};

/// What a path's parameters are.
pub type Params = BTreeMap<String, String>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter { name: String, constraints: Vec<Constraint>, optional: bool, catch_all: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Constraint {
    Int,
    Guid,
    Alpha,
    Bool,
    Length(usize, usize),
    Range(i64, i64),
}

/// Refuses what lies in the space of the host's own routes: it looks at the beginning alone, so
/// `administration` is refused too.
pub fn refuse_reserved(route: &str) -> Result<(), String> {
    let route = route.trim_matches('/').to_lowercase();
    let reserved = ["admin", "runtime"].iter().any(|word| route.starts_with(word));
    if reserved {
        return Err("its route conflicts with one of the host's own".to_owned());
    }
    Ok(())
}

/// The functions with a route, the most exact template first.
#[derive(Debug)]
pub struct Routes {
    table: Vec<(Template, Http, Function)>,
}

impl Routes {
    pub fn new(prefix: &str, functions: &[Function]) -> Self {
        let mut table: Vec<_> = functions
            .iter()
            .filter_map(|function| {
                let http = function.http()?;
                let route = format!("{prefix}/{}", http.route);
                let template = Template::parse(route.trim_matches('/')).expect("checked");
                Some((template, http, function.clone()))
            })
            .collect();
        table.sort_by_key(|(template, ..)| template.precedence());
        Self { table }
    }

    /// The function of a request, and its parameters. A method that no function of the path
    /// lists is as good as no path.
    pub fn find(&self, method: &str, path: &str) -> Option<(&Function, &Http, Params)> {
        self.table.iter().find_map(|(template, http, function)| {
            let params = template.matches(path)?;
            http.takes(method).then_some((function, http, params))
        })
    }
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, String> {
        let segments: Vec<_> = match text {
            "" => Vec::new(),
            text => text.split('/').map(Segment::parse).collect::<Result<_, _>>()?,
        };
        let inner = segments.split_last().map_or(&[][..], |(_, inner)| inner);
        if inner.iter().any(Segment::may_be_absent) {
            return Err(format!("only the end of the route `{text}` may be optional"));
        }
        Ok(Self { segments })
    }

    pub fn has_catch_all(&self) -> bool {
        self.segments.last().is_some_and(Segment::is_catch_all)
    }

    /// The parameters of a path, decoded; a slash at its end changes nothing.
    pub fn matches(&self, path: &str) -> Option<Params> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut rest = (!path.is_empty()).then_some(path);
        let mut params = Params::new();
        for segment in &self.segments {
            let (part, behind) = if segment.is_catch_all() { (rest, None) } else { first_of(rest) };
            segment.take(part, &mut params)?;
            rest = behind;
        }
        rest.is_none().then_some(params)
    }

    /// Smaller is more exact: literals before constrained parameters before others.
    fn precedence(&self) -> Vec<u8> {
        self.segments.iter().map(Segment::precedence).collect()
    }
}

/// The first segment of a path, and what is behind it.
fn first_of(path: Option<&str>) -> (Option<&str>, Option<&str>) {
    match path.and_then(|path| path.split_once('/')) {
        Some((part, behind)) => (Some(part), Some(behind)),
        None => (path, None),
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, String> {
        let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
            if text.is_empty() || text.contains(['{', '}', '?', '*']) {
                return Err(format!("`{text}` is no segment of a route that is known here"));
            }
            return Ok(Self::Literal(text.to_owned()));
        };
        let (inner, optional) = match inner.strip_suffix('?') {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let (inner, catch_all) = match inner.strip_prefix('*') {
            Some(inner) => (inner.trim_start_matches('*'), true),
            None => (inner, false),
        };
        let mut parts = inner.split(':');
        let name = parts.next().unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(format!("`{text}` names no parameter"));
        }
        let constraints = parts.map(Constraint::parse).collect::<Result<_, _>>()?;
        Ok(Self::Parameter { name, constraints, optional, catch_all })
    }

    fn is_catch_all(&self) -> bool {
        matches!(self, Self::Parameter { catch_all: true, .. })
    }

    fn may_be_absent(&self) -> bool {
        self.is_catch_all() || matches!(self, Self::Parameter { optional: true, .. })
    }

    fn take(&self, part: Option<&str>, params: &mut Params) -> Option<()> {
        match (self, part) {
            (Self::Literal(text), Some(part)) => {
                let part = percent_decode_str(part).decode_utf8_lossy();
                (part.to_lowercase() == text.to_lowercase()).then_some(())
            }
            (Self::Literal(_), None) => None,
            (Self::Parameter { .. }, None) => self.may_be_absent().then_some(()),
            (Self::Parameter { name, constraints, .. }, Some(part)) => {
                let part = percent_decode_str(part).decode_utf8_lossy().into_owned();
                let holds = !part.is_empty() && constraints.iter().all(|c| c.holds(&part));
                holds.then(|| {
                    params.insert(name.clone(), part);
                })
            }
        }
    }

    fn precedence(&self) -> u8 {
        match self {
            Self::Literal(_) => 1,
            Self::Parameter { catch_all: false, constraints, .. } => {
                3 - u8::from(!constraints.is_empty())
            }
            Self::Parameter { constraints, .. } => 5 - u8::from(!constraints.is_empty()),
        }
    }
}

impl Constraint {
    fn parse(text: &str) -> Result<Self, String> {
        let unknown = || format!("the constraint `{text}` is not known here");
        let (word, arguments) = match text.strip_suffix(')').and_then(|t| t.split_once('(')) {
            Some((word, arguments)) => (word, arguments.split(',').collect()),
            None => (text, Vec::new()),
        };
        let number = |text: &str| text.trim().parse::<i64>().map_err(|_| unknown());
        let size = |text: &str| text.trim().parse::<usize>().map_err(|_| unknown());
        match (word, &arguments[..]) {
            ("int" | "long", []) => Ok(Self::Int),
            ("guid", []) => Ok(Self::Guid),
            ("alpha", []) => Ok(Self::Alpha),
            ("bool", []) => Ok(Self::Bool),
            ("length", [exact]) => Ok(Self::Length(size(exact)?, size(exact)?)),
            ("length", [low, high]) => Ok(Self::Length(size(low)?, size(high)?)),
            ("minlength", [low]) => Ok(Self::Length(size(low)?, usize::MAX)),
            ("maxlength", [high]) => Ok(Self::Length(0, size(high)?)),
            ("range", [low, high]) => Ok(Self::Range(number(low)?, number(high)?)),
            ("min", [low]) => Ok(Self::Range(number(low)?, i64::MAX)),
            ("max", [high]) => Ok(Self::Range(i64::MIN, number(high)?)),
            _ => Err(unknown()),
        }
    }

    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Int => text.parse::<i64>().is_ok(),
            Self::Guid => uuid::Uuid::parse_str(text).is_ok(),
            Self::Alpha => text.chars().all(|c| c.is_ascii_alphabetic()),
            Self::Bool => ["true", "false"].iter().any(|word| text.eq_ignore_ascii_case(word)),
            Self::Length(low, high) => (*low..=*high).contains(&text.chars().count()),
            Self::Range(low, high) => text.parse().is_ok_and(|n: i64| (*low..=*high).contains(&n)),
        }
    }
}
