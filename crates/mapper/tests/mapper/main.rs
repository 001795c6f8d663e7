//! What the mapper makes of relations and rows, seen from outside.

#[cfg(test)]
mod changes;
#[cfg(test)]
mod debezium;
#[cfg(test)]
mod deviations;
#[cfg(test)]
mod events;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod json;
#[cfg(test)]
mod roundtrip;
#[cfg(test)]
mod shown;
#[cfg(test)]
mod table;
#[cfg(test)]
mod values;
