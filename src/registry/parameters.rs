//! Parameters: what a user may set, and the values they set.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_compile::DType;

/// What a parameter's value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number, 0 or more.
    Integer,
    /// A real number.
    Number,
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl Kind {
    fn describe(self) -> String {
        match self {
            Kind::Integer => "a whole number, 0 or more".into(),
            Kind::Number => "a number".into(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
        }
    }

    fn parse(self, text: &str) -> Option<Value> {
        match self {
            Kind::Integer => text.parse::<u64>().ok().map(Value::from),
            Kind::Number => text.parse::<f64>().ok().filter(|x| x.is_finite()).map(Value::from),
            Kind::Choice(words) => words.contains(&text).then(|| Value::from(text)),
        }
    }
}

/// A parameter of an algorithm.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// The name.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// Its value where none is set; `None` where it must be set.
    pub default: Option<&'static str>,
    /// What it does, in a sentence.
    pub about: &'static str,
}

impl Parameter {
    /// The parameter as `list --json` shows it.
    pub fn to_json(&self) -> Value {
        let kind = match self.kind {
            Kind::Integer => "integer",
            Kind::Number => "number",
            Kind::Choice(_) => "choice",
        };
        let mut object = json!({
            "name": self.name,
            "type": kind,
            "required": self.default.is_none(),
            "default": self.default.and_then(|text| self.kind.parse(text)),
            "about": self.about,
        });
        if let Kind::Choice(words) = self.kind {
            object["choices"] = json!(words);
        }
        object
    }
}

/// The values of all parameters of one run, and its precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    values: BTreeMap<&'static str, Value>,
    precision: DType,
}

impl Settings {
    /// The settings that `KEY=VALUE` texts make, with the defaults of the rest.
    ///
    /// # Errors
    /// An unknown or repeated key, a value of the wrong kind, a missing parameter, in one line.
    pub fn parse(parameters: &'static [Parameter], assignments: &[String]) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        for assignment in assignments {
            let (key, text) = assignment
                .split_once('=')
                .ok_or_else(|| format!("--set {assignment}: expected KEY=VALUE, such as --set k=100"))?;
            let Some(parameter) = parameters.iter().find(|p| p.name == key) else {
                let known: Vec<&str> = parameters.iter().map(|p| p.name).collect();
                return Err(format!("--set {key}: there is no such parameter; known are {}", known.join(", ")));
            };
            let value = parameter
                .kind
                .parse(text)
                .ok_or_else(|| format!("--set {key}={text}: {key} must be {}", parameter.kind.describe()))?;
            if values.insert(parameter.name, value).is_some() {
                return Err(format!("--set {key}: the parameter is set twice"));
            }
        }
        for parameter in parameters {
            if values.contains_key(parameter.name) {
                continue;
            }
            let default = parameter.default.and_then(|text| parameter.kind.parse(text)).ok_or_else(|| {
                let (name, about) = (parameter.name, parameter.about);
                format!("the parameter {name} must be set ({about}): --set {name}=VALUE")
            })?;
            values.insert(parameter.name, default);
        }
        Ok(Self { values, precision: DType::F32 })
    }

    /// Sets the precision of the run, f32 or f64; f32 where it is not set.
    pub fn in_precision(self, precision: DType) -> Self {
        Self { precision, ..self }
    }

    /// The precision of the run: what an algorithm computes in that makes its data itself.
    pub fn precision(&self) -> DType {
        self.precision
    }

    /// The value of a whole-number parameter.
    pub fn integer(&self, name: &str) -> u64 {
        self.values.get(name).and_then(Value::as_u64).unwrap_or_default()
    }

    /// The value of a whole-number parameter that is a size.
    pub fn size(&self, name: &str) -> usize {
        usize::try_from(self.integer(name)).unwrap_or(usize::MAX)
    }

    /// The value of a real parameter.
    pub fn number(&self, name: &str) -> f64 {
        self.values.get(name).and_then(Value::as_f64).unwrap_or_default()
    }

    /// The value of a parameter that is one of several words.
    pub fn choice(&self, name: &str) -> &str {
        self.values.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The settings as `run.json` records them.
    pub fn to_json(&self) -> Value {
        json!(self.values)
    }
}
