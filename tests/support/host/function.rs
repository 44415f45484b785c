//! One `function.json`, and the host's rules for it.

use serde_json::Value;

use super::package::{all_different, member};

#[derive(Debug, Clone)]
pub struct Function {
    pub name: String,
    pub json: Value,
    pub bindings: Vec<Binding>,
}

#[derive(Debug, Clone)]
pub struct Binding {
    pub name: String,
    pub kind: String,
    pub is_output: bool,
    pub json: Value,
}

/// The HTTP side of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Without the prefix.
    pub route: String,
    /// In capitals; none means all.
    pub methods: Option<Vec<String>>,
    pub level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Anonymous,
    Function,
    Admin,
}

/// What a blob trigger hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobMode {
    Text,
    Bytes,
    /// A descriptor instead of the content.
    Reference,
}

impl Function {
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        if !is_name(name, 128, |c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
            || name.eq_ignore_ascii_case("host")
        {
            return Err(format!("`{name}` is no name of a function"));
        }
        let json: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let bindings = member(&json, "bindings").as_array().ok_or("it has no bindings")?;
        let bindings: Vec<_> = bindings.iter().map(Binding::parse).collect::<Result<_, _>>()?;
        let function = Self { name: name.to_owned(), json, bindings };
        function.check()?;
        Ok(function)
    }

    fn check(&self) -> Result<(), String> {
        match self.bindings.iter().filter(|binding| binding.is_trigger()).count() {
            0 => return Err("it has no trigger".to_owned()),
            1 => {}
            _ => return Err("it has more than one trigger".to_owned()),
        }
        if !all_different(self.bindings.iter().map(|binding| binding.name.as_str())) {
            return Err("two of its bindings have one name".to_owned());
        }
        let trigger = self.trigger();
        if trigger.kind.eq_ignore_ascii_case("blobTrigger") && trigger.text("path").is_none() {
            return Err("its blob trigger has no path".to_owned());
        }
        Ok(())
    }

    pub fn trigger(&self) -> &Binding {
        self.bindings.iter().find(|binding| binding.is_trigger()).expect("checked")
    }

    pub fn is_triggered_by(&self, kind: &str) -> bool {
        self.trigger().kind.eq_ignore_ascii_case(kind)
    }

    pub fn http(&self) -> Option<Http> {
        let trigger = self.trigger();
        trigger.kind.eq_ignore_ascii_case("httpTrigger").then(|| Http {
            // An empty route means the name as well as none does.
            route: trigger
                .text("route")
                .filter(|route| !route.trim().is_empty())
                .unwrap_or(&self.name)
                .trim_matches('/')
                .to_owned(),
            methods: member(&trigger.json, "methods").as_array().map(|methods| {
                methods.iter().filter_map(|m| Some(m.as_str()?.to_uppercase())).collect()
            }),
            level: match trigger.text("authLevel").map(str::to_lowercase).as_deref() {
                Some("anonymous") => Level::Anonymous,
                Some("admin") => Level::Admin,
                _ => Level::Function,
            },
        })
    }

    /// Whether its requests are passed through: exactly a request in and a response out.
    pub fn is_http_in_and_out(&self) -> bool {
        let (outputs, inputs): (Vec<_>, Vec<_>) =
            self.bindings.iter().partition(|binding| binding.is_output);
        matches!(inputs[..], [input] if input.kind.eq_ignore_ascii_case("httpTrigger"))
            && matches!(outputs[..], [output] if output.kind.eq_ignore_ascii_case("http"))
    }

    pub fn blob_mode(&self) -> BlobMode {
        let trigger = self.trigger();
        let asked = match &member(&trigger.json, "properties")["supportsDeferredBinding"] {
            Value::Bool(asked) => *asked,
            Value::String(text) => text.eq_ignore_ascii_case("true"),
            _ => false,
        };
        // An expression in any other binding needs the trigger's data: no reference then.
        let mut others = self.bindings.iter().filter(|binding| !binding.is_trigger());
        if asked && !others.any(Binding::has_expression) {
            BlobMode::Reference
        } else if trigger.text("dataType").is_some_and(|kind| kind.eq_ignore_ascii_case("binary")) {
            BlobMode::Bytes
        } else {
            BlobMode::Text
        }
    }

    /// Whether the trigger hears of blobs from Event Grid; else it looks for them itself.
    pub fn hears_of_blobs(&self) -> bool {
        self.trigger().text("source").is_some_and(|source| source.eq_ignore_ascii_case("EventGrid"))
    }
}

impl Http {
    /// Whether the function listens to a method. Exactly the listed ones: HEAD is none of GET's.
    pub fn takes(&self, method: &str) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.iter().any(|m| m == method))
    }

    pub fn conflicts_with(&self, other: &Self) -> bool {
        let overlap = match (&self.methods, &other.methods) {
            (Some(ours), Some(theirs)) => ours.iter().any(|method| theirs.contains(method)),
            _ => true,
        };
        overlap && self.route.eq_ignore_ascii_case(&other.route)
    }
}

impl Binding {
    fn parse(json: &Value) -> Result<Self, String> {
        let text = |name| member(json, name).as_str().unwrap_or("").to_owned();
        let (name, kind, direction) = (text("name"), text("type"), text("direction"));
        let is_output = direction.eq_ignore_ascii_case("out");
        let is_named =
            is_name(&name, 128, |c| c.is_ascii_alphanumeric()) || (is_output && name == "$return");
        if !is_named {
            return Err(format!("`{name}` is no name of a binding"));
        }
        if kind.is_empty() {
            return Err(format!("the binding {name} has no type"));
        }
        let binding = Self { name, kind, is_output, json: json.clone() };
        if binding.is_trigger()
            && binding.text("dataType").is_some_and(|kind| kind.eq_ignore_ascii_case("stream"))
        {
            return Err("a trigger of dataType stream fails".to_owned());
        }
        Ok(binding)
    }

    pub fn is_trigger(&self) -> bool {
        self.kind.to_ascii_lowercase().ends_with("trigger")
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        member(&self.json, name).as_str()
    }

    fn has_expression(&self) -> bool {
        let members = self.json.as_object().into_iter().flat_map(|members| members.values());
        members.filter_map(Value::as_str).any(|text| text.contains('{'))
    }
}

fn is_name(text: &str, length_max: usize, is_part: impl Fn(char) -> bool) -> bool {
    text.len() <= length_max
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(is_part)
}
