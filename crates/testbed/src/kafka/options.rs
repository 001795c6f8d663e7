//! What can be chosen about a broker, and its settings file.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::{KafkaSecurity, Ports, Seat};
use crate::error::Result;
use crate::false_broker::FalseBroker;
use crate::packages;
use crate::ports::Port;
use crate::proxy::Proxy;

/// Settings for one broker on a small machine; options override them.
const DEFAULTS: [(&str, &str); 18] = [
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("controller.listener.names", "CONTROLLER"),
    (
        "listener.security.protocol.map",
        "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL",
    ),
    ("inter.broker.listener.name", "PLAINTEXT"),
    ("default.replication.factor", "1"),
    ("offsets.topic.replication.factor", "1"),
    ("offsets.topic.num.partitions", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("transaction.state.log.num.partitions", "4"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
    // A killed broker may come back only when its old session is over: 9 s by default.
    ("broker.session.timeout.ms", "3000"),
    ("broker.heartbeat.interval.ms", "500"),
    ("num.network.threads", "2"),
    ("num.io.threads", "4"),
];

/// What broker to start.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// The release of the broker, one of [`KAFKA_RELEASES`](crate::KAFKA_RELEASES).
    pub release: &'static str,
    /// Broker settings that override the testbed's defaults.
    pub properties: Vec<(String, String)>,
    /// Limit of the Java heap, in MB.
    pub heap_mb: u32,
    /// Java's own choice of compiler and garbage collector, as in production, for measurements; else those that start fastest.
    pub optimised: bool,
    /// Listeners with TLS and SASL beside the open one.
    pub security: Option<KafkaSecurity>,
    /// A listener that is reached through a proxy, beside the open one ([`KafkaOptions::behind_proxy`]).
    pub proxied: Option<ProxiedListener>,
}

/// A listener that advertises the address of a proxy.
#[derive(Clone, Debug)]
pub struct ProxiedListener {
    listens: Arc<Port>,
    advertised: u16,
}

impl Default for KafkaOptions {
    fn default() -> KafkaOptions {
        KafkaOptions {
            release: packages::KAFKA,
            properties: Vec::new(),
            heap_mb: 512,
            optimised: false,
            security: None,
            proxied: None,
        }
    }
}

impl KafkaOptions {
    /// A broker of this release (`4.2`).
    #[must_use]
    pub fn release(release: &'static str) -> KafkaOptions {
        KafkaOptions {
            release,
            ..KafkaOptions::default()
        }
    }

    /// With one more broker setting.
    #[must_use]
    pub fn with_property(mut self, name: &str, value: &str) -> KafkaOptions {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a further listener that is reached through the proxy which comes back: who connects to its port stays behind it,
    /// and everybody else is not disturbed by what it does.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn behind_proxy(mut self) -> Result<(KafkaOptions, Proxy)> {
        let listens = Arc::new(Port::reserve()?);
        let proxy = Proxy::start(listens.number()).await?;
        self.proxied = Some(ProxiedListener {
            listens,
            advertised: proxy.port(),
        });
        Ok((self, proxy))
    }

    /// The same with a proxy that changes responses.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn behind_false_broker(mut self) -> Result<(KafkaOptions, FalseBroker)> {
        let listens = Arc::new(Port::reserve()?);
        let proxy = FalseBroker::start(listens.number()).await?;
        self.proxied = Some(ProxiedListener {
            listens,
            advertised: proxy.port(),
        });
        Ok((self, proxy))
    }
}

/// A properties file in which, as Kafka reads it, the last of two equal names wins.
pub(super) fn properties(options: &KafkaOptions, ports: &Ports, seat: Option<&Seat>, state: &Path) -> String {
    let address = |listener: &str, port: &Port| format!("{listener}://127.0.0.1:{}", port.number());
    let mut advertised = address("PLAINTEXT", &ports.open);
    let mut secured = Vec::new();
    if let Some(security) = &options.security {
        advertised += &format!(
            ",{},{}",
            address("SSL", &ports.tls),
            address("SASL_SSL", &ports.sasl)
        );
        secured = security.properties(&state.join("tls"));
    }
    let controller = ports.controller.number();
    let mut listeners = format!("{advertised},{}", address("CONTROLLER", &ports.controller));
    if let Some(ProxiedListener {
        listens,
        advertised: proxy,
    }) = &options.proxied
    {
        listeners += &format!(",{}", address("PROXIED", listens));
        advertised += &format!(",PROXIED://127.0.0.1:{proxy}");
    }
    let addresses = [
        ("listeners", listeners),
        ("advertised.listeners", advertised),
        ("controller.quorum.voters", format!("1@127.0.0.1:{controller}")),
        ("log.dirs", state.join("data").display().to_string()),
    ];
    let mut text = String::new();
    let mut set = |name: &str, value: &str| {
        writeln!(text, "{name}={value}").expect("a string takes any text");
    };
    DEFAULTS.iter().for_each(|(name, value)| set(name, value));
    addresses.iter().for_each(|(name, value)| set(name, value));
    secured.iter().for_each(|(name, value)| set(name, value));
    let of_a_cluster = seat.map(Seat::properties).unwrap_or_default();
    of_a_cluster.iter().for_each(|(name, value)| set(name, value));
    options
        .properties
        .iter()
        .for_each(|(name, value)| set(name, value));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_last() {
        let options = KafkaOptions::default().with_property("node.id", "7");
        let ports = Ports::reserve().unwrap();
        let text = properties(&options, &ports, None, Path::new("/d"));
        let (open, controller) = (ports.open.number(), ports.controller.number());
        assert!(
            text.contains(&format!(
                "\nlisteners=PLAINTEXT://127.0.0.1:{open},CONTROLLER://127.0.0.1:{controller}\n"
            )),
            "{text}"
        );
        assert!(text.ends_with("node.id=7\n"), "{text}");
    }
}
