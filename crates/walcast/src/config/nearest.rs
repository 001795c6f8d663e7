//! The nearest of several names, which an error suggests.

/// Minimum similarity (Jaro-Winkler, 0 to 1) of a name that is suggested: `broker` and `brokers` have 0.97, `url` and `slot` 0.
const SIMILARITY_MIN: f64 = 0.75;

/// The name that is nearest to `wanted`, whatever their case; `None` if none is similar.
pub(crate) fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    let similarity = |name: &str| strsim::jaro_winkler(&wanted, &name.to_lowercase());
    names
        .into_iter()
        .map(|name| (similarity(name), name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}
