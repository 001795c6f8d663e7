//! Application of steps to payloads.

use super::document::{Node, Object};
use super::path::{Parent, Path};
use super::step::{JsonType, Operation, Step};

const EXISTS: &str = "a member exists already";
const NOT_TEXT: &str = "it is not a string";
const FEW_PARTS: &str = "it has fewer parts";
const UNWRITABLE: &str = "it cannot be written as a value of the type";

impl Step {
    /// Applies the step to a payload. A member that does not exist is left alone.
    pub(super) fn apply(&self, payload: &mut Object) -> Result<(), String> {
        let path = &self.path;
        let applied = match &self.operation {
            Operation::Rename(to) => in_parents(payload, &path.parents, false, &mut |object| {
                rename(object, &path.name, to)
            }),
            Operation::Default(value) => in_parents(payload, &path.parents, true, &mut |object| match object
                .place(&path.name)
            {
                Some(_) => Ok(()),
                None => put_json(object, &path.name, value.clone()),
            }),
            Operation::Move(to) => relocate(payload, path, to),
            Operation::Split { separator, into } => {
                in_parents(payload, &path.parents, false, &mut |object| {
                    split(object, &path.name, separator, into)
                })
            }
            Operation::Retype(json_type) => {
                in_parents(
                    payload,
                    &path.parents,
                    false,
                    &mut |object| match object.get_mut(&path.name) {
                        Some(node) => retype(node, *json_type),
                        None => Ok(()),
                    },
                )
            }
            Operation::Drop => in_parents(payload, &path.parents, false, &mut |object| {
                object.take(&path.name);
                Ok(())
            }),
        };
        applied.map_err(|problem| format!("{}: {problem}", path.text))
    }
}

/// Change of an object.
type Change<'c> = dyn FnMut(&mut Object) -> Result<(), &'static str> + 'c;

/// Changes each object to which `parents` lead. `creates`: objects that do not exist are added.
fn in_parents(
    object: &mut Object,
    parents: &[Parent],
    creates: bool,
    change: &mut Change<'_>,
) -> Result<(), &'static str> {
    let Some((parent, rest)) = parents.split_first() else {
        return change(object);
    };
    if creates && !parent.is_array && object.place(&parent.name).is_none() {
        object.push(&parent.name, Node::Object(Object::default()));
    }
    let Some(node) = object.get_mut(&parent.name) else {
        return Ok(());
    };
    if node.is_null() && (!creates || parent.is_array) {
        return Ok(());
    }
    if !parent.is_array {
        return in_parents(node.object()?, rest, creates, change);
    }
    for item in node.items()? {
        in_parents(item.object()?, rest, creates, change)?;
    }
    Ok(())
}

fn rename(object: &mut Object, name: &str, to: &str) -> Result<(), &'static str> {
    let exists = object.place(to).is_some();
    let mut members = object.members.iter_mut();
    let Some((known, _)) = members.find(|(known, _)| known == name) else {
        return Ok(());
    };
    if exists {
        return Err(EXISTS);
    }
    to.clone_into(known);
    Ok(())
}

fn relocate(payload: &mut Object, path: &Path, to: &Path) -> Result<(), &'static str> {
    let mut taken = None;
    in_parents(payload, &path.parents, false, &mut |object| {
        taken = object.take(&path.name);
        Ok(())
    })?;
    let Some(node) = taken else { return Ok(()) };
    let mut taken = Some(node);
    in_parents(payload, &to.parents, true, &mut |object| {
        if object.place(&to.name).is_some() {
            return Err(EXISTS);
        }
        if let Some(node) = taken.take() {
            object.push(&to.name, node);
        }
        Ok(())
    })
}

/// Puts the parts of a text in the place of the text; the last one has what remains. Null becomes null in each part.
fn split(object: &mut Object, name: &str, separator: &str, into: &[String]) -> Result<(), &'static str> {
    let Some(place) = object.place(name) else {
        return Ok(());
    };
    let (_, node) = object.members.remove(place);
    let parts = match node.is_null() {
        true => vec!["null".to_owned(); into.len()],
        false => {
            let whole = string(&node).ok_or(NOT_TEXT)?;
            let parts = whole.splitn(into.len(), separator);
            parts.map(quoted).collect::<Result<Vec<_>, _>>()?
        }
    };
    if parts.len() < into.len() {
        return Err(FEW_PARTS);
    }
    for (offset, (part, json)) in into.iter().zip(parts).enumerate() {
        if object.place(part).is_some() {
            return Err(EXISTS);
        }
        let node = Node::of_json(json).map_err(|_| UNWRITABLE)?;
        object.members.insert(place + offset, (part.clone(), node));
    }
    Ok(())
}

fn retype(node: &mut Node, json_type: JsonType) -> Result<(), &'static str> {
    if node.is_null() {
        return Ok(());
    }
    if json_type == JsonType::Array {
        if node.items().is_err() {
            let item = std::mem::replace(node, Node::Array(Vec::new()));
            *node = Node::Array(vec![item]);
        }
        return Ok(());
    }
    let json = node.json().ok_or(UNWRITABLE)?;
    let text = string(node);
    // The text of a string, or the literal of a number, true or false.
    let is_scalar = text.is_some() || !json.starts_with(['{', '[']);
    let literal = text.as_deref().unwrap_or(json);
    let fits = match json_type {
        JsonType::String => is_scalar,
        JsonType::Boolean => matches!(literal, "true" | "false"),
        JsonType::Number => is_number(literal),
        JsonType::Integer => is_number(literal) && !literal.contains(['.', 'e', 'E']),
        JsonType::Array => true,
    };
    if !fits {
        return Err(UNWRITABLE);
    }
    let written = match json_type {
        JsonType::String => quoted(literal)?,
        _ => literal.to_owned(),
    };
    *node = Node::of_json(written).map_err(|_| UNWRITABLE)?;
    Ok(())
}

/// Whether a text is a number as JSON writes it.
fn is_number(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    begins && text.trim_end() == text && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

/// The text that a string in JSON is; `None` for other values.
fn string(node: &Node) -> Option<String> {
    serde_json::from_str(node.json()?).ok()
}

fn quoted(text: &str) -> Result<String, &'static str> {
    serde_json::to_string(text).map_err(|_| UNWRITABLE)
}

fn put_json(object: &mut Object, name: &str, json: String) -> Result<(), &'static str> {
    object.push(name, Node::of_json(json).map_err(|_| UNWRITABLE)?);
    Ok(())
}
