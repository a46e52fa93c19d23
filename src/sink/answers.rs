//! What a consumer of lines says back: `ID` has the event, `nack ID [reason]` refuses it, anything else is noise. One desk a connection
//! keeps who waits for which answer.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info};

use crate::domain::delivery::{DeliveryError, SinkId};
use crate::log::harmless;

/// Bytes of a line that are looked at; the rest of a longer one is skipped.
const LONGEST_LINE: usize = 4096;

/// Characters of a reason that are kept.
const LONGEST_REASON: usize = 300;

/// Answers that are awaited or overdue, of one connection.
const MOST_ANSWERS: usize = 4096;

/// Lines of one consumer that are logged in [`SPAN`].
const MOST_LINES: u32 = 100;
const SPAN: Duration = Duration::from_secs(10);

/// What the consumer says of one event.
pub(super) type Verdict = Result<(), DeliveryError>;

/// Trouble with the consumer, in words.
pub(super) fn trouble(reason: impl Into<String>) -> DeliveryError {
    DeliveryError::Endpoint { reason: reason.into(), retry_after: None }
}

/// Where answers come in.
pub(super) struct Desk {
    sink: SinkId,
    state: Mutex<State>,
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    /// Why nothing more will be heard.
    closed: Option<DeliveryError>,
    answers: HashMap<String, Answer>,
    noise: Allowance,
}

enum Answer {
    /// Deliveries wait for it: more than one if an event is sent once more while it is under way.
    Awaited(Vec<oneshot::Sender<Verdict>>),
    /// No delivery waits any more. What is said late counts at the next attempt, so that a slow consumer is not sent the same for ever.
    Late(Option<Verdict>),
}

/// An answer that was asked for.
pub(super) enum Expected {
    /// It came after the attempt before was given up.
    Known(Verdict),
    /// It will come, see [`Desk::verdict`].
    Coming(oneshot::Receiver<Verdict>),
}

impl Desk {
    pub(super) fn new(sink: SinkId) -> Self {
        Self { sink, state: Mutex::default(), closed: watch::Sender::new(false) }
    }

    /// Says that an answer about this event is awaited from now on.
    ///
    /// # Errors
    /// Why nothing more will be heard.
    pub(super) fn expect(&self, id: &str) -> Result<Expected, DeliveryError> {
        let mut state = self.state();
        if let Some(why) = &state.closed {
            return Err(why.clone());
        }
        let mut waiting = match state.answers.remove(id) {
            Some(Answer::Late(Some(verdict))) => return Ok(Expected::Known(verdict)),
            Some(Answer::Awaited(waiting)) => waiting,
            Some(Answer::Late(None)) | None => vec![],
        };
        let (sender, coming) = oneshot::channel();
        waiting.push(sender);
        state.answers.insert(id.to_owned(), Answer::Awaited(waiting));
        Ok(Expected::Coming(coming))
    }

    /// Waits for an answer until `timeout` is over at `deadline`.
    pub(super) async fn verdict(&self, id: &str, mut coming: oneshot::Receiver<Verdict>, deadline: Instant, timeout: Duration) -> Verdict {
        match timeout_at(deadline, &mut coming).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(_)) => Err(self.why()),
            Err(_) => {
                coming.close();
                // It may have come in between.
                let late = coming.try_recv();
                self.give_up(id, true);
                late.unwrap_or_else(|_| Err(trouble(format!("no acknowledgement within {}", humantime::format_duration(timeout)))))
            }
        }
    }

    /// Forgets a delivery whose receiver is closed or dropped. If the line `was_written`, an answer may still come.
    pub(super) fn give_up(&self, id: &str, was_written: bool) {
        let mut state = self.state();
        let room = state.answers.len() < MOST_ANSWERS;
        if let Some(Answer::Awaited(waiting)) = state.answers.get_mut(id) {
            waiting.retain(|waiting| !waiting.is_closed());
            if waiting.is_empty() {
                state.answers.remove(id);
                if was_written && room {
                    state.answers.insert(id.to_owned(), Answer::Late(None));
                }
            }
        }
    }

    /// Takes one line.
    pub(super) fn hear(&self, line: &str) {
        let mut state = self.state();
        if let Some((id, verdict)) = read(line)
            && let Some(answer) = state.answers.get_mut(id)
        {
            let waiting = match std::mem::replace(answer, Answer::Late(None)) {
                Answer::Awaited(waiting) => waiting,
                Answer::Late(_) => vec![],
            };
            let told = waiting.into_iter().filter_map(|waiting| waiting.send(verdict.clone()).ok()).count();
            if told > 0 {
                state.answers.remove(id);
            } else {
                *answer = Answer::Late(Some(verdict));
            }
        } else if let Some(left_out) = state.noise.admits(Instant::now()) {
            let said = harmless(line);
            debug!(sink = %self.sink, said, left_out, "The consumer said what is no answer to anything.");
        }
    }

    /// Nothing more will be heard: all that wait fail. The first reason counts.
    pub(super) fn close(&self, why: DeliveryError) {
        let mut state = self.state();
        state.closed.get_or_insert(why);
        state.answers.clear();
        drop(state);
        self.closed.send_replace(true);
    }

    pub(super) fn is_open(&self) -> bool {
        !*self.closed.borrow()
    }

    /// Waits until it is closed. Cancel safe.
    pub(super) async fn closed(&self) {
        // The sender lives as long as this borrow.
        drop(self.closed.subscribe().wait_for(|closed| *closed).await);
    }

    /// Why it is closed.
    pub(super) fn why(&self) -> DeliveryError {
        self.state().closed.clone().unwrap_or_else(|| trouble("the answer was lost"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears a consumer until it ends, or the desk is closed. Cancel safe, but for the line that was begun.
///
/// # Errors
/// When it cannot be heard any more.
pub(super) async fn listen(desk: &Desk, mut from: impl AsyncRead + Unpin) -> io::Result<()> {
    let (mut cutter, mut buffer) = (Cutter::default(), vec![0; LONGEST_LINE]);
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read?,
            () = desk.closed() => return Ok(()),
        };
        cutter.cut(buffer.get(..read).unwrap_or_default(), |line| desk.hear(line));
        if read == 0 {
            return Ok(());
        }
    }
}

/// Puts into the log what a consumer writes there.
pub(super) async fn relay(sink: SinkId, mut from: impl AsyncRead + Unpin) {
    let (mut cutter, mut buffer, mut allowance) = (Cutter::default(), vec![0; LONGEST_LINE], Allowance::default());
    // What cannot be read any more has ended.
    while let Ok(read) = from.read(&mut buffer).await {
        cutter.cut(buffer.get(..read).unwrap_or_default(), |line| {
            if let Some(left_out) = allowance.admits(Instant::now()) {
                info!(%sink, said = harmless(line), left_out, "The consumer says something.");
            }
        });
        if read == 0 {
            return;
        }
    }
}

/// Cuts a stream into lines, of each the beginning.
#[derive(Default)]
pub(super) struct Cutter(Vec<u8>);

impl Cutter {
    /// Takes more bytes; none is the end, which ends a line too.
    pub(super) fn cut(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        let mut say = |text: &[u8]| line(&String::from_utf8_lossy(text));
        if bytes.is_empty() && !self.0.is_empty() {
            say(&std::mem::take(&mut self.0));
        }
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            self.0.extend(text.iter().take(LONGEST_LINE - self.0.len()));
            if text.len() < part.len() {
                say(&self.0);
                self.0.clear();
            }
        }
    }
}

/// How much of what a consumer says is logged, so that a flood does not fill the disk.
#[derive(Default)]
struct Allowance {
    since: Option<Instant>,
    used: u32,
    left_out: u64,
}

impl Allowance {
    /// Whether one more line is logged, and how many before it were not.
    fn admits(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.duration_since(since) > SPAN) {
            (self.since, self.used) = (Some(now), 0);
        }
        if self.used == MOST_LINES {
            self.left_out += 1;
            return None;
        }
        self.used += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Which event a line speaks of, and what it says.
fn read(line: &str) -> Option<(&str, Verdict)> {
    let mut words = line.split_whitespace();
    match (words.next()?, words.next()) {
        (id, None) => Some((id, Ok(()))),
        ("nack", Some(id)) => {
            let given: String = harmless(line.split_once(id)?.1.trim()).chars().take(LONGEST_REASON).collect();
            let reason = if given.is_empty() { "the consumer refuses it".into() } else { format!("the consumer refuses it: {given}") };
            Some((id, Err(DeliveryError::Message { reason })))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn desk() -> Desk {
        Desk::new(SinkId(Arc::from("s")))
    }

    fn coming(desk: &Desk, id: &str) -> oneshot::Receiver<Verdict> {
        match desk.expect(id) {
            Ok(Expected::Coming(coming)) => coming,
            Ok(Expected::Known(verdict)) => panic!("{verdict:?}"),
            Err(e) => panic!("{e}"),
        }
    }

    const WAIT: Duration = Duration::from_secs(30);

    #[test]
    fn a_line_is_an_id_a_refusal_or_noise() {
        let refusal = |reason: &str| Err(DeliveryError::Message { reason: reason.into() });
        assert_eq!(read("evt_1"), Some(("evt_1", Ok(()))));
        assert_eq!(read("  evt_1 \r"), Some(("evt_1", Ok(()))));
        assert_eq!(read("nack evt_1"), Some(("evt_1", refusal("the consumer refuses it"))));
        assert_eq!(read("nack evt_1  too\u{1b}[1m long"), Some(("evt_1", refusal("the consumer refuses it: too [1m long"))));
        assert_eq!(read(&format!("nack evt_1 {}", "ї".repeat(2000))).unwrap().1.unwrap_err().to_string().chars().count(), 325);
        for noise in ["", " ", "evt_1 evt_2", "ack evt_1", "NACK evt_1"] {
            assert_eq!(read(noise), None, "{noise:?}");
        }
    }

    #[test]
    fn lines_are_cut_wherever_they_arrive_and_no_longer_than_they_may_be() {
        let long = "x".repeat(3 * LONGEST_LINE);
        let text = format!("a\n\nevt_1\r\n{long}\nнаприкінці");
        for size in [1, 2, 7, 4096, text.len()] {
            let (mut cutter, mut lines) = (Cutter::default(), vec![]);
            for chunk in text.as_bytes().chunks(size).chain([&[][..]]) {
                cutter.cut(chunk, |line| lines.push(line.to_owned()));
                assert!(cutter.0.len() <= LONGEST_LINE);
            }
            assert_eq!(lines, ["a", "", "evt_1\r", &long[..LONGEST_LINE], "наприкінці"]);
        }
    }

    #[tokio::test]
    async fn answers_find_who_waits_in_any_order_and_noise_finds_nobody() {
        let desk = desk();
        let (one, two, three) = (coming(&desk, "evt_1"), coming(&desk, "evt_2"), coming(&desk, "evt_3"));
        for line in ["evt_9", "garbage", "nack evt_9 no", "nack evt_2 no", "evt_1", "evt_1"] {
            desk.hear(line);
        }
        let deadline = Instant::now() + WAIT;
        assert_eq!(desk.verdict("evt_1", one, deadline, WAIT).await, Ok(()));
        let refused = DeliveryError::Message { reason: "the consumer refuses it: no".into() };
        assert_eq!(desk.verdict("evt_2", two, deadline, WAIT).await, Err(refused));
        assert_eq!(desk.verdict("evt_3", three, Instant::now(), WAIT).await, Err(trouble("no acknowledgement within 30s")));
    }

    #[tokio::test]
    async fn an_answer_that_comes_late_counts_at_the_next_attempt() {
        let desk = desk();
        let late = coming(&desk, "evt_1");
        assert!(desk.verdict("evt_1", late, Instant::now(), WAIT).await.is_err());
        desk.hear("evt_1");
        assert!(matches!(desk.expect("evt_1"), Ok(Expected::Known(Ok(())))));
        drop(coming(&desk, "evt_1"));
    }

    #[tokio::test]
    async fn one_answer_is_for_all_who_wait_for_it_and_who_gives_up_takes_it_from_nobody() {
        let desk = desk();
        let (first, again, gone) = (coming(&desk, "evt_1"), coming(&desk, "evt_1"), coming(&desk, "evt_1"));
        assert!(desk.verdict("evt_1", gone, Instant::now(), WAIT).await.is_err());
        desk.hear("evt_1");
        for waiting in [first, again] {
            assert_eq!(desk.verdict("evt_1", waiting, Instant::now() + WAIT, WAIT).await, Ok(()));
        }
        drop(coming(&desk, "evt_2"));
        desk.give_up("evt_2", false);
        assert!(desk.state().answers.is_empty());
    }

    #[tokio::test]
    async fn what_is_overdue_is_bounded() {
        let desk = desk();
        for n in 0..2 * MOST_ANSWERS {
            let late = coming(&desk, &n.to_string());
            assert!(desk.verdict(&n.to_string(), late, Instant::now(), WAIT).await.is_err());
        }
        assert!(desk.state().answers.len() <= MOST_ANSWERS);
    }

    #[tokio::test]
    async fn when_the_desk_closes_all_who_wait_fail_with_the_first_reason() {
        let desk = desk();
        let waiting = coming(&desk, "evt_1");
        desk.close(DeliveryError::Closed);
        desk.close(trouble("later"));
        desk.closed().await;
        assert_eq!(desk.verdict("evt_1", waiting, Instant::now() + WAIT, WAIT).await, Err(DeliveryError::Closed));
        assert!(matches!(desk.expect("evt_2"), Err(DeliveryError::Closed)) && !desk.is_open());
    }

    #[test]
    fn a_flood_is_logged_in_part_and_what_was_left_out_is_counted() {
        let (mut allowance, now) = (Allowance::default(), Instant::now());
        let admitted = (0..1000).filter(|_| allowance.admits(now).is_some()).count();
        assert_eq!(admitted, MOST_LINES as usize);
        assert_eq!(allowance.admits(now + SPAN + Duration::from_millis(1)), Some(900));
    }
}
