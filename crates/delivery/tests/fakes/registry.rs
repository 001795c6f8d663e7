//! The modelled schema registry.

use std::cell::RefCell;
use std::rc::Rc;

use walcast_delivery::{BoxedPortError, LatestSchema, SchemaRegistry};
use walcast_mapper::SchemaId;

use super::script::{Act, Script, Scripted, perform};
use super::steps::Steps;

/// A call to the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegistryCall {
    Register,
}

/// The registry's state.
#[derive(Default)]
pub(crate) struct Schemas {
    pub(crate) script: Script<RegistryCall>,
    /// Subject and schema; the id of a schema is its index, from 1.
    pub(crate) registered: Vec<(String, String)>,
}

impl Scripted for Schemas {
    type Call = RegistryCall;

    fn script(&mut self) -> &mut Script<RegistryCall> {
        &mut self.script
    }
}

/// A handle to the registry.
#[derive(Clone)]
pub(crate) struct Registry {
    pub(crate) schemas: Rc<RefCell<Schemas>>,
    pub(crate) steps: Steps,
}

impl Registry {
    pub(crate) fn new(steps: Steps) -> Self {
        Self {
            schemas: Rc::default(),
            steps,
        }
    }

    /// Plans `act` for the `nth` registration from now on.
    pub(crate) fn plan(&self, nth: usize, act: Act) {
        self.schemas
            .borrow_mut()
            .script
            .at(RegistryCall::Register, nth, act);
    }

    /// The versions of a subject, oldest first.
    pub(crate) fn versions(&self, subject: &str) -> Vec<String> {
        let schemas = self.schemas.borrow();
        let of_subject = schemas.registered.iter().filter(|(name, _)| name == subject);
        of_subject.map(|(_, schema)| schema.clone()).collect()
    }
}

impl SchemaRegistry for Registry {
    // The fake has no client-side cache.
    fn forget(&mut self) {}

    async fn latest(&mut self, subject: &str) -> Result<Option<LatestSchema>, BoxedPortError> {
        let schemas = self.schemas.borrow();
        let of_subject = (1..)
            .zip(&schemas.registered)
            .filter(|(_, (name, _))| name == subject);
        Ok(of_subject.last().map(|(id, (_, schema))| LatestSchema {
            id: SchemaId::new(id),
            schema: schema.clone(),
        }))
    }

    async fn register(&mut self, subject: &str, schema: &str) -> Result<SchemaId, BoxedPortError> {
        let entry = (subject.to_owned(), schema.to_owned());
        perform(&self.schemas, &self.steps, RegistryCall::Register, |schemas| {
            let known = schemas.registered.iter().position(|known| *known == entry);
            let place = known.unwrap_or_else(|| {
                schemas.registered.push(entry);
                schemas.registered.len() - 1
            });
            Ok(SchemaId::new(
                u32::try_from(place + 1).expect("registries here are small"),
            ))
        })
        .await
    }
}
