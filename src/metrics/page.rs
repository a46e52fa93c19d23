//! Writes meters down, in the format that is asked for.

use std::fmt;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{Counter, Histogram, Tally};

/// What every name begins with, but for those of the [process](Page::process).
const PREFIX: &str = "feedwire";

/// The `Content-Type` of OpenMetrics text.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Labels of one series.
pub type Labels = Vec<(&'static str, String)>;

/// A page that is being written. Names come without prefix, and those of counters without `_total`.
pub struct Page {
    ours: Registry,
    process: Registry,
}

impl Default for Page {
    fn default() -> Self {
        Self { ours: Registry::with_prefix(PREFIX), process: Registry::with_prefix("process") }
    }
}

/// Series of one name.
struct Series<M> {
    kind: MetricType,
    all: Vec<(Labels, M)>,
}

impl<M> fmt::Debug for Series<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} series", self.all.len())
    }
}

impl<M: EncodeMetric> EncodeMetric for Series<M> {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        match self.all.as_slice() {
            [(labels, metric)] if labels.is_empty() => metric.encode(encoder),
            all => all.iter().try_for_each(|(labels, metric)| metric.encode(encoder.encode_family(labels)?)),
        }
    }

    fn metric_type(&self) -> MetricType {
        self.kind
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl Page {
    fn put<M: EncodeMetric + Send + Sync + 'static>(&mut self, name: &str, help: &str, kind: MetricType, all: Vec<(Labels, M)>) {
        self.ours.register(name, help, Series { kind, all });
    }

    /// A counter.
    pub fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.counters(name, help, vec![(vec![], counter)]);
    }

    /// Counters by labels.
    pub fn counters(&mut self, name: &str, help: &str, all: Vec<(Labels, &Counter)>) {
        let all = all.into_iter().map(|(labels, counter)| (labels, counter.0.clone())).collect();
        self.put(name, help, MetricType::Counter, all);
    }

    /// Counters by the values of one label, for each of the labels given beside it.
    pub fn tallies(&mut self, name: &str, help: &str, label: &'static str, all: &[(Labels, &Tally)]) {
        let with = |labels: &Labels, value: &str| labels.iter().cloned().chain([(label, value.to_owned())]).collect();
        let series = all.iter().flat_map(|(labels, tally)| tally.all().map(move |(value, counter)| (with(labels, value), counter)));
        self.counters(name, help, series.collect());
    }

    /// A gauge.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help, vec![(vec![], value)]);
    }

    /// Gauges by labels.
    pub fn gauges(&mut self, name: &str, help: &str, all: Vec<(Labels, f64)>) {
        let all = all.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value))).collect();
        self.put(name, help, MetricType::Gauge, all);
    }

    /// Histograms by labels.
    pub fn histograms(&mut self, name: &str, help: &str, all: Vec<(Labels, &Histogram)>) {
        let all = all.into_iter().map(|(labels, histogram)| (labels, histogram.0.clone())).collect();
        self.put(name, help, MetricType::Histogram, all);
    }

    /// What this process uses, under the names that every program gives it; `started` in seconds since the epoch.
    pub fn process(&mut self, usage: &super::process::Usage, started: f64) {
        let page = &mut self.process;
        page.register("cpu_seconds", "CPU time of this process, user and system", ConstCounter::new(usage.cpu.as_secs_f64()));
        page.register("resident_memory_bytes", "Memory that this process holds", ConstGauge::new(usage.resident as f64));
        page.register("open_fds", "Files, sockets and pipes that this process has open", ConstGauge::new(usage.open_files as f64));
        page.register("max_fds", "How many this process may have open", ConstGauge::new(usage.max_files as f64));
        page.register("start_time_seconds", "When this process started, in seconds since the epoch", ConstGauge::new(started));
    }

    /// The text and its `Content-Type`: OpenMetrics for those whose `Accept` names it, else the older format of Prometheus.
    ///
    /// # Errors
    /// Never, for a string takes whatever is written.
    pub fn render(&self, accept: &str) -> Result<(&'static str, String), fmt::Error> {
        let mut out = String::new();
        if accept.contains("application/openmetrics-text") {
            text::encode_registry(&mut out, &self.ours)?;
            text::encode_registry(&mut out, &self.process)?;
            text::encode_eof(&mut out)?;
            return Ok((OPEN_METRICS, out));
        }
        prometheus_text::encode(&mut out, &self.ours)?;
        prometheus_text::encode(&mut out, &self.process)?;
        Ok((prometheus_text::CONTENT_TYPE, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_say_the_same() {
        let (mut page, tally) = (Page::default(), Tally::new(&["a\"\n"]));
        tally.inc("x");
        page.tallies("polls", "Polls", "result", &[(vec![("sink", "s".into())], &tally)]);
        page.gauge("up", "Up", 1.5);
        let series = "feedwire_polls_total{sink=\"s\",result=\"a\\\"\\n\"} 0\nfeedwire_polls_total{sink=\"s\",result=\"other\"} 1\n";
        let up = "# HELP feedwire_up Up.\n# TYPE feedwire_up gauge\nfeedwire_up 1.5\n";
        let (kind, old) = page.render("text/plain").unwrap();
        assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        assert_eq!(old, format!("# HELP feedwire_polls_total Polls.\n# TYPE feedwire_polls_total counter\n{series}{up}"));
        let (kind, open) = page.render("application/openmetrics-text;version=1.0.0,text/plain;q=0.5").unwrap();
        assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
        assert_eq!(open, format!("# HELP feedwire_polls Polls.\n# TYPE feedwire_polls counter\n{series}{up}# EOF\n"));
    }
}
