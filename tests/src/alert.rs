//! Alerts that are shipped, evaluated on the page `/metrics` of a running process.

/// The rules of `examples/deploy`.
const RULES: &str = concat!(
    include_str!("../../examples/deploy/connector-alerts.yaml"),
    include_str!("../../examples/deploy/outbox-alerts.yaml"),
    include_str!("../../examples/deploy/standby-alerts.yaml"),
    include_str!("../../examples/deploy/verify-alerts.yaml"),
);

/// The expression of an alert: one metric, compared with a number. An increase is the value of the counter, because the process of a
/// test has just begun.
#[derive(Debug)]
pub struct Alert {
    metric: &'static str,
    /// Conditions on labels: `label="value"`, and whether a series has it.
    labels: Vec<(String, bool)>,
    /// Whether the largest value is compared, instead of each.
    is_maximum: bool,
    comparison: char,
    threshold: f64,
}

impl Alert {
    /// The alert of this name.
    pub fn of(name: &str) -> Alert {
        let rule = RULES.split_once(&format!("alert: {name}\n"));
        let (_, rule) = rule.unwrap_or_else(|| panic!("no rule is {name}"));
        let (_, expression) = rule.split_once("expr: ").unwrap();
        Alert::parse(expression.lines().next().unwrap())
    }

    fn parse(expression: &'static str) -> Alert {
        // What follows covers a series that begins with its first event, or leaves instances out.
        let condition = expression.split(" or ").next().unwrap();
        let condition = condition.split(" and ").next().unwrap();
        let comparisons = [" > ", " < ", " == "];
        let (comparison, (left, right)) = comparisons
            .into_iter()
            .find_map(|comparison| Some((comparison, condition.rsplit_once(comparison)?)))
            .unwrap_or_else(|| panic!("no comparison: {expression}"));
        let metric = left.find("walcast_").map(|start| &left[start..]).unwrap();
        let end = metric.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (metric, rest) = metric.split_at(end.unwrap_or(metric.len()));
        let selector = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let conditions = selector.into_iter().flat_map(|(labels, _)| labels.split(','));
        let labels = conditions.map(|condition| match condition.split_once("!=") {
            Some((label, value)) => (format!("{label}={value}"), false),
            None => (condition.to_owned(), true),
        });
        Alert {
            metric,
            labels: labels.collect(),
            is_maximum: left.starts_with("max by "),
            comparison: comparison.trim().chars().next().unwrap(),
            threshold: right
                .split(" * ")
                .map(|factor| factor.parse::<f64>().unwrap())
                .product(),
        }
    }

    /// The number that the metric is compared with.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Whether the expression is true of a page, or of the pages of several processes.
    pub fn is_true(&self, page: &str) -> bool {
        let lines = page.lines().filter(|line| {
            let is_chosen = |(label, is_wanted): &(String, bool)| line.contains(label) == *is_wanted;
            line.split('{').next() == Some(self.metric) && self.labels.iter().all(is_chosen)
        });
        let mut values: Vec<f64> = lines
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        if self.is_maximum {
            values = values.into_iter().reduce(f64::max).into_iter().collect();
        }
        values.into_iter().any(|value| match self.comparison {
            '>' => value > self.threshold,
            '<' => value < self.threshold,
            _ => value == self.threshold,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Alert;

    #[test]
    fn an_expression_is_evaluated() {
        let any = Alert::parse("walcast_a{state=\"x\"} > 2 * 3");
        assert!(any.is_true("walcast_a{state=\"x\"} 7\nwalcast_a{state=\"y\"} 0\n"));
        assert!(
            !any.is_true("walcast_a{state=\"x\"} 6\nwalcast_a{state=\"y\"} 9\nwalcast_ab{state=\"x\"} 9\n")
        );
        let maximum = Alert::parse("max by (connector) (walcast_a) == 0");
        assert!(maximum.is_true("walcast_a{i=\"1\"} 0\nwalcast_a{i=\"2\"} 0\n"));
        assert!(!maximum.is_true("walcast_a{i=\"1\"} 0\nwalcast_a{i=\"2\"} 1\n"));
        assert!(!maximum.is_true("walcast_b{i=\"1\"} 0\n"));
        let other = Alert::parse("sum by (table) (walcast_a{kind!=\"x\"}) > 0");
        assert!(!other.is_true("walcast_a{kind=\"x\"} 1\n"));
        assert!(other.is_true("walcast_a{kind=\"y\"} 1\n"));
    }

    #[test]
    fn shipped_alerts_are_understood() {
        for (name, page) in [
            ("WalcastLag", "walcast_lag_seconds{connector=\"a\"} 300.5"),
            (
                "WalcastDeadLetters",
                "walcast_dead_letters_total{connector=\"a\"} 1",
            ),
            (
                "WalcastCatalogXmin",
                "walcast_slot_catalog_xmin_age{connector=\"a\"} 500000001",
            ),
            (
                "WalcastOutageBudget",
                "walcast_slot_outage_budget_seconds{connector=\"a\"} 28799",
            ),
        ] {
            let alert = Alert::of(name);
            assert!(alert.is_true(page), "{alert:?}");
            assert!(!alert.is_true(""), "{alert:?}");
        }
    }
}
