//! Paths of members in payloads.

use super::step_error::StepError;

/// Path of a member, such as `customer.name`, or `lines[].sku` for a member of each item of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(super) text: String,
    /// Members that lead to the object with the member.
    pub(super) parents: Vec<Parent>,
    pub(super) name: String,
}

/// Member whose value is an object, or an array of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) name: String,
    pub(super) is_array: bool,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, StepError> {
        let wrong = || StepError::Path(text.to_owned());
        let mut parents = Vec::new();
        for part in text.split('.') {
            let (name, is_array) = match part.strip_suffix("[]") {
                Some(name) => (name, true),
                None => (part, false),
            };
            if name.is_empty() {
                return Err(wrong());
            }
            parents.push(Parent {
                name: name.to_owned(),
                is_array,
            });
        }
        let last = parents.pop().filter(|last| !last.is_array);
        Ok(Self {
            text: text.to_owned(),
            parents,
            name: last.ok_or_else(wrong)?.name,
        })
    }

    /// The path of one member at most.
    pub(crate) fn single(text: &str) -> Result<Self, StepError> {
        let path = Self::parse(text)?;
        match path.is_single() {
            true => Ok(path),
            false => Err(StepError::Path(text.to_owned())),
        }
    }

    /// Whether the path leads to one member at most.
    pub(super) fn is_single(&self) -> bool {
        !self.parents.iter().any(|parent| parent.is_array)
    }
}
