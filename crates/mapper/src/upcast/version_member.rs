//! Member of a payload with the version of its schema.

use super::document::{Node, Object};
use super::path::Path;

/// Length of the longest version.
const VERSION_BYTES_MAX: usize = 64;

impl Object {
    /// The version in the member at `path`, and whether it is a number; `None` if the member does not exist or is null.
    pub(crate) fn version_at(&mut self, path: &Path) -> Result<Option<(String, bool)>, &'static str> {
        let Some(node) = self
            .object_at(path)?
            .and_then(|object| object.get_mut(&path.name))
        else {
            return Ok(None);
        };
        if node.is_null() {
            return Ok(None);
        }
        let wrong = "its schema version is neither an integer nor a string of at most 64 bytes";
        let json = node
            .json()
            .filter(|json| json.len() <= VERSION_BYTES_MAX)
            .ok_or(wrong)?;
        let text: Result<String, _> = serde_json::from_str(json);
        match (text, json.parse::<i64>()) {
            (Ok(text), _) => Ok(Some((text, false))),
            (Err(_), Ok(_)) => Ok(Some((json.to_owned(), true))),
            (Err(_), Err(_)) => Err(wrong),
        }
    }

    /// Sets the version in the member at `path`, which is added if it does not exist.
    pub(crate) fn set_version(
        &mut self,
        path: &Path,
        version: &str,
        is_number: bool,
    ) -> Result<(), &'static str> {
        let json = match is_number && version.parse::<i64>().is_ok() {
            true => version.to_owned(),
            false => serde_json::Value::from(version).to_string(),
        };
        let node = Node::of_json(json).map_err(|_| "its schema version cannot be written")?;
        let mut object = self;
        for parent in &path.parents {
            if object.place(&parent.name).is_none() {
                object.push(&parent.name, Node::Object(Object::default()));
            }
            let Some(below) = object.get_mut(&parent.name) else {
                return Ok(());
            };
            object = below.object()?;
        }
        match object.get_mut(&path.name) {
            Some(known) => *known = node,
            None => object.push(&path.name, node),
        }
        Ok(())
    }

    /// The object with the member at `path`; `None` if it does not exist.
    fn object_at(&mut self, path: &Path) -> Result<Option<&mut Object>, &'static str> {
        let mut object = self;
        for parent in &path.parents {
            match object.get_mut(&parent.name) {
                Some(node) if !node.is_null() => object = node.object()?,
                Some(_) | None => return Ok(None),
            }
        }
        Ok(Some(object))
    }
}
