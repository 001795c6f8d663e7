//! The modelled schema registry.

use std::rc::Rc;

use walcast_delivery::{BoxedPortError, LatestSchema, SchemaRegistry};
use walcast_mapper::SchemaId;

use crate::fault::SimFault;
use crate::process::Process;
use crate::world::{System, World};

/// The registry's state.
#[derive(Default)]
pub(crate) struct Schemas {
    pub(crate) is_unavailable: bool,
    /// Whether the registry rejects new schemas.
    pub(crate) rejects: bool,
    /// Subject and schema; the id of a schema is its index, from 1.
    registered: Vec<(String, String)>,
}

/// The client of a process.
pub(crate) struct RegistryClient {
    pub(crate) world: Rc<World>,
    pub(crate) process: Rc<Process>,
}

impl SchemaRegistry for RegistryClient {
    // The fake has no client-side cache.
    fn forget(&mut self) {}

    async fn latest(&mut self, subject: &str) -> Result<Option<LatestSchema>, BoxedPortError> {
        let schemas = self.world.registry.borrow();
        let of_subject = (1..)
            .zip(&schemas.registered)
            .filter(|(_, (name, _))| name == subject);
        Ok(of_subject.last().map(|(id, (_, schema))| LatestSchema {
            id: SchemaId::new(id),
            schema: schema.clone(),
        }))
    }

    async fn register(&mut self, subject: &str, schema: &str) -> Result<SchemaId, BoxedPortError> {
        let (world, process) = (&self.world, &self.process);
        world.wait_available(process, System::Registry).await?;
        let register = || {
            let mut schemas = world.registry.borrow_mut();
            let is_entry = |known: &(String, String)| known.0 == subject && known.1 == schema;
            let known = schemas.registered.iter().position(is_entry);
            if known.is_none() && schemas.rejects {
                return Err(SimFault::Rejected);
            }
            let place = known.unwrap_or_else(|| {
                schemas.registered.push((subject.to_owned(), schema.to_owned()));
                schemas.registered.len() - 1
            });
            Ok(SchemaId::new(
                u32::try_from(place + 1).expect("registries here are small"),
            ))
        };
        world.call(process, "register", register).await
    }
}
