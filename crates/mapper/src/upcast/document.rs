//! Payloads as far as steps concern them: the rest is text that stays as it is.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// Object with its members in order.
#[derive(Debug, Default)]
pub(crate) struct Object {
    pub(super) members: Vec<(String, Node)>,
}

/// Value of a member.
#[derive(Debug)]
pub(crate) enum Node {
    /// A value that no step has looked into.
    Text(Box<RawValue>),
    /// An object.
    Object(Object),
    /// An array.
    Array(Vec<Node>),
}

pub(super) const NOT_AN_OBJECT: &str = "it is not an object in JSON";
const NOT_AN_ARRAY: &str = "it is not an array";
const TWICE: &str = "it has a member twice";

impl Object {
    pub(crate) fn parse(json: &str) -> Result<Self, &'static str> {
        let object: Self = serde_json::from_str(json).map_err(|_| NOT_AN_OBJECT)?;
        let mut names = HashSet::new();
        match object.members.iter().all(|(name, _)| names.insert(name.as_str())) {
            true => Ok(object),
            false => Err(TWICE),
        }
    }

    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|(known, _)| known == name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        let mut members = self.members.iter_mut();
        members.find(|(known, _)| known == name).map(|(_, node)| node)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Node> {
        let place = self.place(name)?;
        Some(self.members.remove(place).1)
    }

    pub(super) fn push(&mut self, name: &str, node: Node) {
        self.members.push((name.to_owned(), node));
    }
}

impl Node {
    /// The value that a text in JSON is.
    pub(crate) fn of_json(json: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(json).map(Self::Text)
    }

    /// Text of the value; `None` if a step has looked into it.
    pub(crate) fn json(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.get()),
            Self::Object(_) | Self::Array(_) => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.json() == Some("null")
    }

    pub(super) fn object(&mut self) -> Result<&mut Object, &'static str> {
        if let Self::Text(text) = self {
            *self = Self::Object(Object::parse(text.get())?);
        }
        match self {
            Self::Object(object) => Ok(object),
            Self::Text(_) | Self::Array(_) => Err(NOT_AN_OBJECT),
        }
    }

    pub(super) fn items(&mut self) -> Result<&mut [Node], &'static str> {
        if let Self::Text(text) = self {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text.get()).map_err(|_| NOT_AN_ARRAY)?;
            *self = Self::Array(items.into_iter().map(Self::Text).collect());
        }
        match self {
            Self::Array(items) => Ok(items),
            Self::Text(_) | Self::Object(_) => Err(NOT_AN_ARRAY),
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object::default();
        while let Some((name, text)) = map.next_entry::<String, Box<RawValue>>()? {
            object.members.push((name, Node::Text(text)));
        }
        Ok(object)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        for (name, node) in &self.members {
            map.serialize_entry(name, node)?;
        }
        map.end()
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Object(object) => object.serialize(serializer),
            Self::Array(items) => items.serialize(serializer),
        }
    }
}
