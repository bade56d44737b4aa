//! Every sequence of a few steps in worlds small enough to be walked through: two keys, room for one entry, one callback at a time.
//!
//! Each world is an alphabet of steps; all words over it, of a length that `SLUICE_EXHAUSTIVE_LENGTH` says, are spelled out on the engine and
//! the model, and each ends with everything answered. A word stops where a step finds nothing that it could be done to.

use std::time::Instant;

use crate::harness::{Checked, Groups, Harness};
use crate::model::{Answer, Doing, Key, Number, Setup, Terms};
use crate::operations::Dice;

const LENGTH: usize = 6;

const VALUE: Answer = Answer::Value { weight: 1 };
const FAILURE: Answer = Answer::Failed { retryable: false, hint: None };
const RETRY: Answer = Answer::Failed { retryable: true, hint: None };

/// What one batch is like; the rest of its terms follow from the world.
#[derive(Clone, Copy, Debug)]
enum Load {
    Each,
    /// All keys in one call.
    Group,
    /// As the one that shares nothing.
    Unshared,
    /// Led, and not queued: the tiers are asked.
    Unqueued,
}

/// Whose turn it is: of those that began, the first or the last.
#[derive(Clone, Copy, Debug)]
enum Which {
    Oldest,
    Newest,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Batch(&'static [Key], Load),
    /// The same, waited for by a call.
    Nested(&'static [Key], Which),
    Settle(Which, Answer),
    FallBack(Which),
    Supply(Which),
    Queue(Which),
    Leave(Which),
    /// An aborted call's callback ends.
    Ended,
    Set(Key),
    Delete(Key),
    Clear,
    Get(Key),
    /// To the next deadline, if there is one.
    Advance,
    /// Past the entries' TTL.
    Wait,
}

fn which<T>(which: Which, mut of: impl DoubleEndedIterator<Item = T>) -> Option<T> {
    match which {
        Which::Oldest => of.next(),
        Which::Newest => of.next_back(),
    }
}

const TTL: f64 = 10.0;

fn world(fetch_timeout: f64) -> (Harness, Terms) {
    let setup = Setup {
        entries_max: 1,
        weight_max: u64::MAX,
        ttl: TTL,
        negative_ttl: None,
        error_ttl: 0.0,
        ttl_jitter: 0.0,
        sliding: false,
        early: 0.0,
        budget_ratio: 0.5,
        budget_burst: 1.0,
    };
    let terms = Terms {
        limit: 1,
        fetch_timeout,
        timeout: f64::INFINITY,
        attempts: 2,
        backoff: 1.0,
        backoff_max: 1.0,
        stale_if_error: 0.0,
        queue_timeout: f64::INFINITY,
        finish_orphans: false,
        parent: None,
    };
    (Harness::new(setup, vec![b"a".to_vec(), b"a\0".to_vec()], 1), terms)
}

impl Step {
    /// Does the step. Answers whether there was anything it could be done to.
    fn apply(self, on: &mut Harness, terms: Terms) -> Checked<bool> {
        on.begin_turn();
        let member = |on: &Harness, one: Which| {
            let calls: Vec<Number> = on.running(|members| !members.is_empty()).collect();
            let call = which(one, calls.into_iter())?;
            Some((call, which(one, on.model.calls[&call].members.iter().copied())?))
        };
        match self {
            Self::Batch(keys, load) => batch(on, keys, load, terms)?,
            Self::Nested(keys, one) => {
                let calls: Vec<Number> = on.running(|_| true).collect();
                let Some(parent) = which(one, calls.into_iter()) else { return Ok(false) };
                batch(on, keys, Load::Each, Terms { parent: Some(parent), ..terms })?;
            }
            Self::Settle(one, answer) => {
                let Some((call, load)) = member(on, one) else { return Ok(false) };
                on.settle(call, load, answer)?;
            }
            Self::FallBack(one) => {
                let Some((call, load)) = member(on, one) else { return Ok(false) };
                on.fall_back(call, load)?;
            }
            Self::Supply(one) => {
                let Some(load) = which(one, unqueued(on).into_iter()) else { return Ok(false) };
                on.supply(load, 5.0, 1)?;
            }
            Self::Queue(one) => {
                let Some(load) = which(one, unqueued(on).into_iter()) else { return Ok(false) };
                on.queue(on.model.loads[&load].batch, &[load], Groups::None, 0)?;
            }
            Self::Leave(one) => {
                let Some(batch) = which(one, on.open_batches().into_iter()) else { return Ok(false) };
                on.leave(batch)?;
            }
            Self::Ended => {
                let Some(call) = on.running(|members| members.is_empty()).next() else { return Ok(false) };
                on.ended(on.calls.id(call))?;
            }
            Self::Set(key) => on.set(key, None, false, 1)?,
            Self::Delete(key) => on.delete(key)?,
            Self::Clear => on.clear()?,
            Self::Get(key) => on.get(key)?,
            Self::Advance => {
                let next = on.model.next_deadline();
                if next.is_infinite() {
                    return Ok(false);
                }
                on.tick(next - on.model.now);
                on.advance()?;
                for call in std::mem::take(&mut on.timed_out) {
                    while let Some(load) = on.model.calls.get(&call).and_then(|call| call.members.first().copied()) {
                        on.settle(call, load, FAILURE)?;
                    }
                }
            }
            Self::Wait => {
                on.tick(TTL);
                on.advance()?;
            }
        }
        Ok(true)
    }
}

fn unqueued(on: &Harness) -> Vec<Number> {
    on.model.loads.iter().filter(|(_, load)| load.doing == Doing::Admitted).map(|(&load, _)| load).collect()
}

fn batch(on: &mut Harness, keys: &[Key], load: Load, terms: Terms) -> Checked {
    let missing = on.look_up(keys, 0.0)?;
    if missing.is_empty() {
        return Ok(());
    }
    let batch = on.open(terms)?;
    let led = on.admit(batch, keys, &missing, 0, None, !matches!(load, Load::Unshared))?;
    on.seal(batch)?;
    if matches!(load, Load::Unqueued) || led.is_empty() {
        return Ok(());
    }
    let groups = vec![0; led.len()];
    on.queue(batch, &led, Groups::Given(&groups), if matches!(load, Load::Group) { 2 } else { 0 })
}

/// Runs the word; answers the place of the step that had nothing to be done to, if there was one.
fn spell(word: &[usize], alphabet: &[Step], fetch_timeout: f64) -> Checked<Option<usize>> {
    let (mut harness, terms) = world(fetch_timeout);
    let spelled = |word: &[usize]| word.iter().map(|&letter| format!("{:?}", alphabet[letter])).collect::<Vec<_>>();
    for (place, &letter) in word.iter().enumerate() {
        let applied = alphabet[letter].apply(&mut harness, terms);
        if !applied.map_err(|message| format!("{:#?}: {message}", spelled(&word[..=place])))? {
            return Ok(Some(place));
        }
    }
    let drained = harness.drain(&mut Dice::new(word.iter().sum::<usize>() as u64));
    drained.map_err(|message| format!("at the end of {:#?}: {message}", spelled(word)))?;
    Ok(None)
}

#[allow(clippy::print_stdout)] // How much was walked through is the point.
fn walk(what: &str, alphabet: &[Step], fetch_timeout: f64) {
    let length = std::env::var("SLUICE_EXHAUSTIVE_LENGTH").ok().and_then(|text| text.parse().ok()).unwrap_or(LENGTH);
    let start = Instant::now();
    let mut word = vec![0; length];
    let (mut whole, mut cut) = (0_u64, 0_u64);
    loop {
        // The next word differs at the last place, or at the one that had nothing to be done to.
        let last = match spell(&word, alphabet, fetch_timeout) {
            Ok(None) => {
                whole += 1;
                length - 1
            }
            Ok(Some(place)) => {
                cut += 1;
                place
            }
            Err(message) => panic!("{what}: {message}"),
        };
        word[last + 1..].fill(0);
        let Some(place) = (0..=last).rev().find(|&place| word[place] + 1 < alphabet.len()) else { break };
        word[place] += 1;
        word[place + 1..].fill(0);
    }
    println!("{what}: {whole} words of {length} of {} steps, {cut} cut short, in {:?}", alphabet.len(), start.elapsed());
}

#[test]
fn every_way_to_share_and_to_leave() {
    let alphabet = [
        Step::Batch(&[0], Load::Each),
        Step::Batch(&[0, 1], Load::Each),
        Step::Batch(&[0], Load::Unshared),
        Step::Settle(Which::Oldest, VALUE),
        Step::Settle(Which::Newest, VALUE),
        Step::Leave(Which::Oldest),
        Step::Leave(Which::Newest),
        Step::Ended,
        Step::Delete(0),
    ];
    walk("to share and to leave", &alphabet, f64::INFINITY);
}

#[test]
fn every_way_to_nest() {
    let alphabet = [
        Step::Batch(&[0, 1], Load::Each),
        Step::Batch(&[1], Load::Each),
        Step::Nested(&[0], Which::Oldest),
        Step::Nested(&[1], Which::Oldest),
        Step::Nested(&[1, 0], Which::Newest),
        Step::Settle(Which::Oldest, VALUE),
        Step::Settle(Which::Newest, VALUE),
        Step::Leave(Which::Oldest),
        Step::Ended,
    ];
    walk("to nest", &alphabet, f64::INFINITY);
}

#[test]
fn every_way_to_be_late() {
    let alphabet = [
        Step::Batch(&[0], Load::Each),
        Step::Batch(&[1, 0], Load::Each),
        Step::Nested(&[1], Which::Newest),
        Step::Settle(Which::Oldest, VALUE),
        Step::Settle(Which::Oldest, RETRY),
        Step::Leave(Which::Oldest),
        Step::Ended,
        Step::Advance,
        Step::Wait,
    ];
    walk("to be late", &alphabet, 4.0);
}

#[test]
fn every_way_to_fail_in_a_group() {
    let alphabet = [
        Step::Batch(&[0, 1], Load::Group),
        Step::Batch(&[1], Load::Each),
        Step::Nested(&[0], Which::Oldest),
        Step::Settle(Which::Newest, VALUE),
        Step::Settle(Which::Oldest, RETRY),
        Step::FallBack(Which::Oldest),
        Step::FallBack(Which::Newest),
        Step::Leave(Which::Oldest),
        Step::Advance,
    ];
    walk("to fail in a group", &alphabet, 4.0);
}

#[test]
fn every_way_to_know_better_while_loading() {
    let alphabet = [
        Step::Batch(&[0], Load::Each),
        Step::Batch(&[0, 1], Load::Unqueued),
        Step::Batch(&[0], Load::Unshared),
        Step::Supply(Which::Oldest),
        Step::Queue(Which::Newest),
        Step::Settle(Which::Oldest, VALUE),
        Step::Settle(Which::Newest, VALUE),
        Step::Set(0),
        Step::Delete(0),
        Step::Clear,
    ];
    walk("to know better while loading", &alphabet, f64::INFINITY);
}

#[test]
fn every_way_to_use_what_is_held() {
    let alphabet = [
        Step::Batch(&[0, 1], Load::Each),
        Step::Settle(Which::Oldest, VALUE),
        Step::Set(0),
        Step::Set(1),
        Step::Get(0),
        Step::Delete(0),
        Step::Clear,
        Step::Wait,
    ];
    walk("to use what is held", &alphabet, f64::INFINITY);
}
