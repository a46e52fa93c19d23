//! The figures of a run, and what of them must not be.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use humantime::parse_rfc3339;

use super::books::Figures;
use super::daemon::{FeedLine, Sample};

/// A feed whose poll should have begun so long ago has been forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// A stretch of the run: what was seen at its beginning, every few seconds, and at its end.
pub struct Stretch {
    pub figures: (Figures, Figures),
    pub samples: Vec<Sample>,
}

impl Stretch {
    fn ends(&self) -> (Sample, Sample) {
        (self.samples[0], self.samples[self.samples.len() - 1])
    }

    /// Polls that ended, and the CPU seconds and the seconds that went by.
    pub fn spent(&self) -> (u64, f64, f64) {
        let (from, to) = self.ends();
        (to.polls - from.polls, (to.cpu - from.cpu).as_secs_f64(), to.at.duration_since(from.at).as_secs_f64())
    }

    /// Requests in the busiest second, how long after the beginning that was, and requests in the mean second.
    fn pace(&self) -> (u32, usize, f64) {
        let seconds = self.figures.1.seconds_since(&self.figures.0);
        let busiest = seconds.iter().copied().enumerate().max_by_key(|(_, requests)| *requests).unwrap_or_default();
        (busiest.1, busiest.0, f64::from(seconds.iter().sum::<u32>()) / seconds.len().max(1) as f64)
    }

    /// The second of the first request.
    fn first_request(&self) -> Option<usize> {
        self.figures.1.seconds_since(&self.figures.0).iter().position(|requests| *requests > 0)
    }

    fn most_sockets(&self) -> usize {
        self.samples.iter().map(|s| s.sockets).max().unwrap_or(0)
    }
}

/// What `/v1/feeds` said of all.
pub struct Census {
    feeds: usize,
    failing: usize,
    never_polled: usize,
    forgotten: usize,
    pub took: Duration,
}

impl Census {
    pub fn of(feeds: &[FeedLine], took: Duration) -> Self {
        let before = SystemTime::now() - FORGOTTEN;
        let is_forgotten = |at: &str| parse_rfc3339(at).expect("a time") < before;
        Self {
            feeds: feeds.len(),
            failing: feeds.iter().filter(|f| f.failures > 0).count(),
            never_polled: feeds.iter().filter(|f| f.state == "new").count(),
            forgotten: feeds.iter().filter(|f| f.next_poll.as_deref().is_some_and(is_forgotten)).count(),
            took,
        }
    }
}

/// The whole run.
pub struct Run {
    pub feeds: usize,
    pub ready: (Duration, Sample),
    pub polling: Stretch,
    pub outage: Stretch,
    pub census: Census,
    pub recovery: Stretch,
    pub last: Census,
    pub stopped: (bool, Duration),
}

impl Run {
    /// Prints what was measured.
    pub fn print(&self) {
        let row = |what: &str, value: &dyn Display| println!("| {what} | {value} |");
        let (figures, (_, at_end)) = (&self.recovery.figures.1, self.recovery.ends());
        println!("\n| figure | value |\n|---|---|");
        let (took, idle) = &self.ready;
        row("ready after, s (CPU s)", &format!("{:.2} ({:.2})", took.as_secs_f64(), idle.cpu.as_secs_f64()));
        let (polls, cpu, seconds) = self.polling.spent();
        let (busiest, at, mean) = self.polling.pace();
        let polled = &self.polling.figures.1;
        row("feeds polled", &format!("{} of {}", polled.feeds, self.feeds));
        row("polls (a second)", &format!("{polls} ({:.0})", polls as f64 / seconds));
        row("polls a CPU second", &format!("{:.0}", polls as f64 / cpu));
        row("CPU", &format!("{:.1} %", cpu / seconds * 100.0));
        let (begin, end) = self.polling.ends();
        row("written to the disk, KB a poll", &format!("{:.1}", (end.written - begin.written) as f64 / 1024.0 / polls as f64));
        let sockets = |stretch: &Stretch| stretch.most_sockets();
        row("resident when ready, before the outage, at the end, MB", &format!("{}, {}, {}", idle.resident, end.resident, at_end.resident));
        row("resident at the peak, MB", &at_end.peak);
        row("most sockets of the daemon", &sockets(&self.polling).max(sockets(&self.outage)).max(sockets(&self.recovery)));
        row("most requests at once", &figures.in_flight);
        row("most requests at once to one host", &figures.in_flight_of_host);
        let ms = |time: Option<f64>| time.unwrap_or(f64::NAN);
        row("shortest gap between two starts at one host, ms", &format!("{:.1}", ms(figures.shortest_gap)));
        row("shortest pause between two requests to one host, ms", &format!("{:.1}", ms(figures.shortest_pause)));
        row("pauses that were too short", &format!("{} of {} below 2 s", figures.short_pauses, figures.pauses));
        row("busiest second (which) beside the mean", &format!("{busiest} ({at}) / {mean:.0} = {:.2}", f64::from(busiest) / mean));
        let answers = (polled.sent + polled.not_modified).max(1) as f64 / 100.0;
        row("200, 304", &format!("{:.0} %, {:.0} %", polled.sent as f64 / answers, polled.not_modified as f64 / answers));
        row("entries published, events, repeated", &format!("{}, {}, {}", figures.published, figures.events, figures.repeated));
        let (_, cpu, seconds) = self.outage.spent();
        let (from, to) = self.outage.ends();
        row("connections refused in the outage", &format!("{} in {seconds:.0} s", to.refused - from.refused));
        row("CPU in the outage", &format!("{:.1} %", cpu / seconds * 100.0));
        row("feeds with failures after the outage", &self.census.failing);
        let (busiest, at, mean) = self.recovery.pace();
        let first = self.recovery.first_request().map_or("never".to_owned(), |second| format!("{second} s"));
        row("first request after the outage", &first);
        row("busiest second (which) and mean after the outage", &format!("{busiest} ({at}) / {mean:.0}"));
        row("feeds with failures at the end", &self.last.failing);
        row("reading /v1/feeds whole, s", &format!("{:.2}", self.last.took.as_secs_f64()));
        row("stopped after, s", &format!("{:.2}", self.stopped.1.as_secs_f64()));
    }

    /// What must not be, in words.
    pub fn broken(&self) -> Vec<String> {
        let figures = &self.recovery.figures.1;
        let pause = figures.shortest_pause.unwrap_or(f64::NAN);
        let lost = self.feeds - figures.feeds + self.last.never_polled + self.last.forgotten;
        let told = [
            (figures.in_flight_of_host > 1, format!("{} requests at once to one host", figures.in_flight_of_host)),
            (figures.short_pauses > 0, format!("{} pauses at hosts are too short, down to {:.1} ms", figures.short_pauses, pause)),
            (lost > 0 || self.last.feeds != self.feeds, self.lost()),
            (figures.missing > 0, format!("{} events have not come, or not before those that follow them", figures.missing)),
            (!self.stopped.0, "the daemon did not end in order".to_owned()),
        ];
        told.into_iter().filter(|(is_broken, _)| *is_broken).map(|(_, what)| what).collect()
    }

    fn lost(&self) -> String {
        let (asked, last) = (self.recovery.figures.1.feeds, &self.last);
        format!(
            "of {} feeds {} are listed, {asked} were asked for, {} have not been polled, {} have been due for over a minute",
            self.feeds, last.feeds, last.never_polled, last.forgotten
        )
    }
}
