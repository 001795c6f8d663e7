//! The newest certificate of `walcast verify`, for `/status`: read in the background when it is asked for, and kept for a while.
//!
//! A request does not wait for Kafka, except for a moment if nothing was read yet, and without requests nothing is read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use walcast_kafka::KafkaConfig;

use crate::background_read::BackgroundRead;
use crate::remedy::describe;

/// Kind of rows that do not differ, among the counts of differences.
const UNVERIFIABLE: &str = "unverifiable";

/// Source of the newest certificate of a connector. Clones share what was read.
#[derive(Clone)]
pub(crate) struct LastVerification {
    /// `None`: there is no topic of certificates.
    kafka: Option<Arc<KafkaConfig>>,
    newest: BackgroundRead<Option<StoredCertificate>>,
}

/// Certificate as it is stored, as far as it is shown.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StoredCertificate {
    lsn: String,
    taken_at_unix_micros: i64,
    verdict: String,
    #[serde(default, rename = "where")]
    condition: Option<IgnoredAny>,
    is_independent: bool,
    is_recheck: bool,
    topics: Vec<StoredTopic>,
    not_compared: BTreeMap<String, IgnoredAny>,
}

#[derive(Clone, Debug, Deserialize)]
struct StoredTopic {
    tables: Vec<String>,
    identical: u64,
    differences: BTreeMap<String, u64>,
    unverifiable: BTreeMap<String, u64>,
    repeated: u64,
    out_of_order: u64,
}

/// Newest certificate, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct VerificationReport {
    /// Position at which both sides were compared.
    lsn: String,
    taken_at: Option<String>,
    age_seconds: i64,
    verdict: String,
    /// Whether only rows of a condition were compared.
    is_selection: bool,
    is_recheck: bool,
    is_independent: bool,
    tables: Vec<String>,
    /// Number of rows that are the same on both sides.
    identical: u64,
    /// Number of rows that differ, and of records in the wrong order.
    differences: u64,
    unverifiable: u64,
    /// Tables that were not compared.
    not_compared: Vec<String>,
}

impl LastVerification {
    /// Certificates in the topic of this configuration.
    pub(crate) fn of(kafka: &KafkaConfig) -> Self {
        Self::new(Some(Arc::new(kafka.clone())))
    }

    /// No certificates.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self::new(None)
    }

    fn new(kafka: Option<Arc<KafkaConfig>>) -> Self {
        Self {
            kafka,
            newest: BackgroundRead::default(),
        }
    }

    /// Newest certificate, as of some seconds ago; `None` if there is none or none was read yet. The error is the reason for which it
    /// cannot be read.
    pub(crate) async fn report(&self) -> Result<Option<VerificationReport>, String> {
        let Some(kafka) = &self.kafka else {
            return Ok(None);
        };
        let newest = self
            .newest
            .view(|| last_certificate(KafkaConfig::clone(kafka)))
            .await;
        if let Some(reason) = newest.error {
            return Err(reason);
        }
        let now = Timestamp::now().as_microsecond();
        let certificate = newest.value.as_deref().and_then(Option::as_ref);
        Ok(certificate.map(|stored| stored.report(now)))
    }
}

impl fmt::Debug for LastVerification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastVerification").finish_non_exhaustive()
    }
}

async fn last_certificate(kafka: KafkaConfig) -> Result<Option<StoredCertificate>, String> {
    let stored = walcast_kafka::last_verification(kafka).await;
    let stored = stored.map_err(|error| describe(&error))?;
    stored.as_deref().map(parse).transpose()
}

/// The last certificates of a connector, the newest first.
pub(crate) async fn last_certificates(kafka: KafkaConfig) -> Result<Vec<StoredCertificate>, String> {
    let stored = walcast_kafka::last_verifications(kafka).await;
    let stored = stored.map_err(|error| describe(&error))?;
    stored
        .iter()
        .rev()
        .map(|certificate| parse(certificate))
        .collect()
}

fn parse(stored: &[u8]) -> Result<StoredCertificate, String> {
    serde_json::from_slice(stored).map_err(|error| format!("the newest certificate cannot be read: {error}"))
}

impl StoredCertificate {
    /// Report of the certificate, with its age.
    pub(crate) fn report(&self, now_unix_micros: i64) -> VerificationReport {
        let of_topic = |topic: &StoredTopic| {
            let differing = topic.differences.iter().filter(|(kind, _)| *kind != UNVERIFIABLE);
            differing.map(|(_, count)| count).sum::<u64>() + topic.repeated + topic.out_of_order
        };
        let seconds = |micros: i64| micros.div_euclid(1_000_000);
        let taken_at = Timestamp::from_second(seconds(self.taken_at_unix_micros)).ok();
        let age_micros = now_unix_micros.saturating_sub(self.taken_at_unix_micros);
        VerificationReport {
            lsn: self.lsn.clone(),
            taken_at: taken_at.map(|at| at.to_string()),
            // The clock of the server may be ahead.
            age_seconds: seconds(age_micros.max(0)),
            verdict: self.verdict.clone(),
            // The condition has constants of the data.
            is_selection: self.condition.is_some(),
            is_recheck: self.is_recheck,
            is_independent: self.is_independent,
            tables: self
                .topics
                .iter()
                .flat_map(|topic| topic.tables.clone())
                .collect(),
            identical: self.topics.iter().map(|topic| topic.identical).sum(),
            differences: self.topics.iter().map(of_topic).sum(),
            unverifiable: self
                .topics
                .iter()
                .flat_map(|topic| topic.unverifiable.values())
                .sum(),
            not_compared: self.not_compared.keys().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use walcast_verify::{Certificate, Verdict};

    use super::*;

    #[test]
    fn a_certificate_is_shown_with_its_age_and_without_its_condition() {
        let mut certificate = Certificate::new("shop".to_owned(), "1.0.0".to_owned());
        certificate.lsn = "0/16B3748".to_owned();
        certificate.taken_at_unix_micros = 1_796_119_200_500_000;
        certificate.verdict = Verdict::Different;
        certificate.condition = Some("name = 'Ada'".to_owned());
        certificate
            .not_compared
            .insert("public.log".to_owned(), "it is locked".to_owned());
        let mut stored = serde_json::to_value(&certificate).unwrap();
        stored["topics"] = serde_json::json!([{
            "topic": "shop.public.orders", "tables": ["public.orders"], "identical": 7,
            "differences": {"missing": 1, "different": 2, "unverifiable": 4}, "unverifiable": {"expired": 4},
            "repeated": 0, "out_of_order": 1, "unreadable": 0, "columns_left_out": [], "partitions": []
        }]);
        let stored = parse(stored.to_string().as_bytes()).unwrap();
        let report = stored.report(1_796_119_260_600_000);
        let expected = VerificationReport {
            lsn: "0/16B3748".to_owned(),
            taken_at: Some("2026-12-01T10:00:00Z".to_owned()),
            age_seconds: 60,
            verdict: "different".to_owned(),
            is_selection: true,
            is_recheck: false,
            is_independent: false,
            tables: vec!["public.orders".to_owned()],
            identical: 7,
            differences: 4,
            unverifiable: 4,
            not_compared: vec!["public.log".to_owned()],
        };
        assert_eq!(report, expected);
        assert_eq!(stored.report(0).age_seconds, 0);
    }
}
