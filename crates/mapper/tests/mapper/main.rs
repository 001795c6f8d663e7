//! Tests of the mapper by its public interface.

#[cfg(test)]
mod changes;
#[cfg(test)]
mod columns;
#[cfg(test)]
mod context;
#[cfg(test)]
mod dead_letters;
#[cfg(test)]
mod debezium;
#[cfg(test)]
mod destinations;
#[cfg(test)]
mod deviations;
#[cfg(test)]
mod event_store;
#[cfg(test)]
mod events;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod json;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod origins;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod patterns;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod reselect;
#[cfg(test)]
mod roundtrip;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod shown;
#[cfg(test)]
mod table;
#[cfg(test)]
mod values;
