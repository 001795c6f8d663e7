//! Several brokers that replicate each other, each behind a line of its own.

use futures_util::future::try_join_all;

use super::seat::Seat;
use super::{Kafka, KafkaOptions, Ports};
use crate::error::Result;
use crate::proxy::Proxy;

/// A Kafka cluster. Each broker is a controller as well, every partition has a copy on each, and all but one of them must have a
/// record before it counts. Clients reach a broker through its [line](KafkaCluster::line) only.
#[derive(Debug)]
pub struct KafkaCluster {
    brokers: Vec<Kafka>,
    lines: Vec<Proxy>,
}

impl KafkaCluster {
    /// Starts so many brokers side by side; all answer clients when this returns.
    ///
    /// # Errors
    /// A missing program, a failed download, or a broker that ends while starting (with the end of its log).
    pub async fn start(size: usize, options: KafkaOptions) -> Result<KafkaCluster> {
        let ports: Vec<Ports> = (0..size).map(|_| Ports::reserve()).collect::<Result<_>>()?;
        let voters: Vec<String> = ports
            .iter()
            .zip(1..)
            .map(|(ports, id)| format!("{id}@127.0.0.1:{}", ports.controller.number()))
            .collect();
        let voters = voters.join(",");
        let (mut prepared, mut lines) = (Vec::new(), Vec::new());
        for (ports, id) in ports.into_iter().zip(1..) {
            // Brokers talk to each other past the lines, so that a line is between clients and one broker.
            let (options, line) = options.clone().behind_proxy().await?;
            let seat = Seat {
                id,
                voters: voters.clone(),
                replicas: size,
            };
            lines.push(line);
            prepared.push(tokio::task::spawn_blocking(move || {
                let startup = Kafka::startup(&options)?;
                Kafka::prepare(options, startup, ports, Some(seat))
            }));
        }
        let mut brokers: Vec<Kafka> = try_join_all(prepared).await?.into_iter().collect::<Result<_>>()?;
        try_join_all(brokers.iter_mut().map(|broker| Box::pin(broker.start_again()))).await?;
        Ok(KafkaCluster { brokers, lines })
    }

    /// How many brokers there are, whether or not they run.
    pub fn size(&self) -> usize {
        self.brokers.len()
    }

    /// Addresses for `bootstrap.servers`.
    pub fn brokers(&self) -> String {
        let addresses: Vec<String> = self
            .lines
            .iter()
            .map(|line| format!("127.0.0.1:{}", line.port()))
            .collect();
        addresses.join(",")
    }

    /// A broker, counted from 0, to be stopped, killed and paused.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn broker_mut(&mut self, number: usize) -> &mut Kafka {
        &mut self.brokers[number]
    }

    /// The line between clients and a broker, counted from 0.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn line(&self, number: usize) -> &Proxy {
        &self.lines[number]
    }

    /// All lines between clients and brokers.
    pub fn lines(&self) -> &[Proxy] {
        &self.lines
    }
}
