//! Configuration under construction: settings in the order of the manual, each with its source properties.

use toml::Value;

/// Setting to write, one line of the file.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// `table.key`.
    pub(crate) key: String,
    pub(crate) value: Value,
    /// Properties that the setting was translated from.
    pub(crate) from: Vec<String>,
    /// Remaining manual step, written above the line as a comment.
    pub(crate) by_hand: Option<String>,
    /// Explanation, written above the line as comments.
    pub(crate) explanation: &'static [&'static str],
}

/// Settings collected so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    settings: Vec<Setting>,
}

impl Setting {
    pub(crate) fn new(key: &str, value: impl Into<Value>) -> Self {
        Self {
            key: key.to_owned(),
            value: value.into(),
            from: Vec::new(),
            by_hand: None,
            explanation: &[],
        }
    }

    /// Setting with a text of the connector's configuration. A `${` in the text is escaped, unless it begins a reference to a
    /// config provider of Connect.
    pub(crate) fn text(key: &str, property: &str, text: &str) -> Self {
        let Some(reference) = reference(text) else {
            return Self::new(key, text.replace("${", "$${"));
        };
        if let Some(variable) = reference.strip_prefix("env:") {
            let ours = format!("${{{}}}", variable.rsplit(':').next().unwrap_or(variable));
            return Self::new(key, text.replace(&format!("${{{reference}}}"), &ours));
        }
        let variable = variable_of(property);
        Self::new(key, format!("${{{variable}}}")).by_hand(format!(
            "{property} came from a config provider of Connect ({text}): set the environment variable {variable}"
        ))
    }

    pub(crate) fn from(mut self, properties: &[&str]) -> Self {
        self.from
            .extend(properties.iter().map(|property| (*property).to_owned()));
        self
    }

    pub(crate) fn by_hand(mut self, what: String) -> Self {
        self.by_hand = Some(what);
        self
    }

    pub(crate) fn explained(mut self, lines: &'static [&'static str]) -> Self {
        self.explanation = lines;
        self
    }
}

/// Reference to a config provider of Connect: the content of `${provider:…}`.
pub(crate) fn reference(text: &str) -> Option<&str> {
    let (inside, _) = text.split_once("${")?.1.split_once('}')?;
    inside.contains(':').then_some(inside)
}

/// Name of the environment variable that replaces a property.
fn variable_of(property: &str) -> String {
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() {
            character.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    property.chars().map(plain).collect()
}

impl Draft {
    /// Adds a setting. For a key that is already set, its properties and list entries are merged; returns false when the values
    /// differ.
    pub(crate) fn add(&mut self, setting: Setting) -> bool {
        match self.settings.iter_mut().find(|known| known.key == setting.key) {
            Some(known) => {
                let is_same = known.value == setting.value;
                if !is_same && !matches!((&known.value, &setting.value), (Value::Array(_), Value::Array(_))) {
                    return false;
                }
                if let (Value::Array(list), Value::Array(more)) = (&mut known.value, setting.value) {
                    let new: Vec<Value> = more.into_iter().filter(|entry| !list.contains(entry)).collect();
                    list.extend(new);
                }
                for property in setting.from {
                    if !known.from.contains(&property) {
                        known.from.push(property);
                    }
                }
            }
            None => self.settings.push(setting),
        }
        true
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| setting.key == key)
    }

    /// The TOML text: the tables of `order` first, then the other tables.
    pub(crate) fn to_toml(&self, order: &[&str]) -> String {
        let mut tables: Vec<&str> = order.to_vec();
        for setting in &self.settings {
            let (table, _) = split(&setting.key, order);
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        let mut text = String::new();
        for table in tables {
            let lines: Vec<String> = self
                .settings
                .iter()
                .filter_map(|setting| {
                    let (of, key) = split(&setting.key, order);
                    (of == table).then(|| line(key, setting))
                })
                .collect();
            if lines.is_empty() {
                continue;
            }
            if !table.is_empty() {
                text.push_str(&format!("\n[{table}]\n"));
            }
            text.push_str(&lines.concat());
        }
        text
    }
}

/// Splits a key after its longest known table, because names of Kafka properties contain dots.
fn split<'k>(key: &'k str, tables: &[&str]) -> (&'k str, &'k str) {
    let inside = |table: &str| key.strip_prefix(table).and_then(|rest| rest.strip_prefix('.'));
    let known = tables
        .iter()
        .filter(|table| !table.is_empty())
        .filter_map(|table| Some((table.len(), inside(table)?)));
    match known.max_by_key(|(length, _)| *length) {
        Some((length, inside)) => (key.split_at(length).0, inside),
        None => key.rsplit_once('.').unwrap_or(("", key)),
    }
}

fn line(key: &str, setting: &Setting) -> String {
    let key = if key.contains('.') {
        Value::String(key.to_owned()).to_string()
    } else {
        key.to_owned()
    };
    let assignment = format!("{key} = {}", setting.value);
    let from = setting.from.join(", ");
    let above = setting.explanation.iter().copied();
    let above: String = above
        .chain(setting.by_hand.as_deref())
        .map(|line| format!("# {line}\n"))
        .collect();
    if from.is_empty() {
        return format!("{above}{assignment}\n");
    }
    format!("{above}{assignment:<48} # {from}\n")
}
