//! The modelled schema registry.

use std::rc::Rc;

use walcast_delivery::{BoxedFault, SchemaRegistry};
use walcast_mapper::SchemaId;

use crate::fault::SimFault;
use crate::life::Life;
use crate::world::{System, World};

/// The registry's state.
#[derive(Default)]
pub(crate) struct Schemas {
    pub(crate) is_away: bool,
    /// Whether it refuses what it does not have.
    pub(crate) refuses: bool,
    /// Subject and schema; a schema's id is its place, from 1.
    registered: Vec<(String, String)>,
}

/// One process's client.
pub(crate) struct RegistryClient {
    pub(crate) world: Rc<World>,
    pub(crate) life: Rc<Life>,
}

impl SchemaRegistry for RegistryClient {
    // Nothing is remembered on the client's side.
    fn forget(&mut self) {}

    async fn register(&mut self, subject: &str, schema: &str) -> Result<SchemaId, BoxedFault> {
        let (world, life) = (&self.world, &self.life);
        world.reach(life, System::Registry).await?;
        let register = || {
            let mut schemas = world.registry.borrow_mut();
            let is_entry = |known: &(String, String)| known.0 == subject && known.1 == schema;
            let known = schemas.registered.iter().position(is_entry);
            if known.is_none() && schemas.refuses {
                return Err(SimFault::Refused);
            }
            let place = known.unwrap_or_else(|| {
                schemas.registered.push((subject.to_owned(), schema.to_owned()));
                schemas.registered.len() - 1
            });
            Ok(SchemaId::new(
                u32::try_from(place + 1).expect("registries here are small"),
            ))
        };
        world.call(life, "register", register).await
    }
}
