//! Who leads, who joins, who leaves, and who waits for whom.

use sluice::engine::{Effect, Grouping, How, Terms};
use sluice::ids::{BatchId, FlightId, NONE};
use sluice::time::Millis;

use crate::driver::{CONFIG, Driver, FAILURE, RETRY, TERMS, VALUE, call, done, started, stored};

#[test]
fn a_batch_is_done_once_and_forgotten() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a", "b"], TERMS);
    let (first, flight) = started(&opened.effects)[0];
    let effects = on.settle(first, flight, VALUE);
    assert_eq!(done(&effects), []);
    let (second, other) = started(&effects)[0];
    let effects = on.settle(second, other, VALUE);
    assert_eq!(done(&effects), [opened.batch]);
    assert!(on.engine.is_quiescent());
}

#[test]
fn who_left_does_not_keep_others_from_the_load_it_led() {
    let mut on = Driver::new(CONFIG);
    let leader = on.load(&["a"], TERMS);
    let joiner = on.load(&["a"], TERMS);
    assert_eq!(joiner.admissions[0].how, How::Joined);
    assert_eq!(on.leave(leader.batch), [Effect::Done { batch: leader.batch.0, busy_us: 0 }]);
    // The batch that led is over with the load's end, after its last waiter was told.
    let effects = on.settle(call(&leader.effects), leader.flight(0), VALUE);
    let batch = joiner.batch.0;
    assert!(effects.contains(&Effect::DeliverJoined { batch, index: 0, flight: leader.flight(0).0 }));
    assert_eq!(done(&effects), [joiner.batch]);
    assert!(on.engine.is_quiescent());
}

#[test]
fn ten_thousand_requests_for_one_key_share_one_load_and_are_answered_in_order() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a"; 10_000], TERMS);
    assert_eq!(started(&opened.effects).len(), 1);
    assert!(opened.admissions[1..].iter().all(|admission| admission.how == How::Deduplicated));
    let effects = on.settle(call(&opened.effects), opened.flight(0), VALUE);
    let answered = effects.iter().filter_map(|effect| match *effect {
        Effect::DeliverLed { index, .. } | Effect::DeliverJoined { index, .. } => Some(index),
        _ => None,
    });
    assert!(answered.eq(0..10_000));
    assert_eq!(done(&effects), [opened.batch]);
}

#[test]
fn the_last_who_leaves_aborts_the_call_and_frees_the_key_at_once() {
    let mut on = Driver::new(CONFIG);
    let first = on.load(&["a"], TERMS);
    let id = call(&first.effects);
    let second = on.load(&["a"], TERMS);
    assert_eq!(on.leave(first.batch), [Effect::Done { batch: first.batch.0, busy_us: 0 }]);
    let effects = on.leave(second.batch);
    assert!(effects.contains(&Effect::Abort { place: id.place, generation: id.generation }));
    let third = on.load(&["a"], TERMS);
    assert_eq!(third.admissions[0].how, How::Led);
    assert_eq!(started(&third.effects).len(), 1, "the key waits for nobody");
    on.turn(|engine, now| engine.ended(id, now));
    on.settle(call(&third.effects), third.flight(0), VALUE);
    assert!(on.engine.is_quiescent());
}

#[test]
fn an_aborted_call_holds_its_slot_until_it_ends() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a", "b"], TERMS);
    let other = on.load(&["b"], TERMS);
    // `b` waits in the first batch's lane, for the slot that the aborted `a` holds.
    assert_eq!(started(&on.leave(opened.batch)), []);
    let effects = on.turn(|engine, now| engine.ended(call(&opened.effects), now));
    let (second, flight) = started(&effects)[0];
    assert_eq!(done(&on.settle(second, flight, VALUE)), [other.batch]);
    assert!(on.engine.is_quiescent());
}

#[test]
fn an_aborted_call_that_hangs_gives_its_slot_back_at_its_deadline() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a", "b"], Terms { fetch_timeout: Millis(50.0), ..TERMS });
    on.load(&["b"], TERMS);
    on.leave(opened.batch);
    let effects = on.advance(50.0);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::TimeOut { .. })), "nobody is left to be told");
    assert_eq!(started(&effects).len(), 1);
}

#[test]
fn an_aborted_call_is_no_part_of_a_circle_through_a_flight_that_got_its_number() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a"], TERMS);
    let id = call(&opened.effects);
    on.leave(opened.batch);
    let other = on.load(&["b"], TERMS);
    assert_eq!(other.flight(0), opened.flight(0), "flights' numbers are used again");
    let nested = on.load(&["b"], Terms { parent: Some(id), ..TERMS });
    assert_eq!(nested.admissions[0].how, How::Joined);
}

#[test]
fn a_queued_load_that_nobody_waits_for_is_never_called() {
    let mut on = Driver::new(CONFIG);
    let first = on.load(&["a"], TERMS);
    let second = on.load(&["b", "a"], TERMS);
    // `b` was called at once, in a lane of its own; a third batch's load waits behind it.
    let third = on.load(&["c", "d"], TERMS);
    assert_eq!(started(&third.effects).len(), 1);
    on.leave(third.batch);
    let effects = on.turn(|engine, now| engine.ended(call(&third.effects), now));
    assert_eq!(started(&effects), [], "d is gone");
    on.settle(call(&second.effects), second.flight(0), VALUE);
    assert_eq!(done(&on.settle(call(&first.effects), first.flight(0), VALUE)), [first.batch, second.batch]);
    assert!(on.engine.is_quiescent());
}

#[test]
fn waiters_of_an_invalidated_load_get_their_value_and_nothing_is_stored() {
    let mut on = Driver::new(CONFIG);
    let before = on.load(&["a"], TERMS);
    on.turn(|engine, now| assert!(!engine.delete(b"a", now)));
    let after = on.load(&["a"], TERMS);
    assert_eq!(after.admissions[0].how, How::Led);
    let fresh = on.settle(call(&after.effects), after.flight(0), VALUE);
    assert!(stored(&fresh).is_some());
    let late = on.settle(call(&before.effects), before.flight(0), VALUE);
    assert_eq!(done(&late), [before.batch]);
    assert_eq!(stored(&late), None);
}

#[test]
fn a_set_while_loading_wins() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a"], TERMS);
    let slot = stored(&on.set(b"a", None, 1));
    assert_eq!(stored(&on.settle(call(&opened.effects), opened.flight(0), VALUE)), None);
    assert_eq!(on.get(b"a"), slot);
}

#[test]
fn of_loads_that_do_not_share_the_one_begun_last_is_kept() {
    let mut on = Driver::new(CONFIG);
    let terms = Terms { limit: 2, ..TERMS };
    let opened = on.load_with(&["a", "a"], &[0, 0], false, terms);
    let calls = started(&opened.effects);
    assert!(stored(&on.settle(calls[1].0, calls[1].1, VALUE)).is_some());
    assert_eq!(stored(&on.settle(calls[0].0, calls[0].1, VALUE)), None);
}

#[test]
fn a_load_that_a_newer_result_has_overtaken_is_not_joined() {
    let mut on = Driver::new(CONFIG);
    on.load(&["a"], TERMS);
    let newer = on.load_with(&["a"], &[0], false, TERMS);
    on.settle(call(&newer.effects), newer.flight(0), VALUE);
    assert_eq!(on.load(&["a"], TERMS).admissions[0].how, How::Led);
}

#[test]
fn eviction_never_meets_a_load() {
    let mut on = Driver::new(sluice::config::Config { max_entries: 1.0, ..CONFIG });
    let opened = on.load(&["a"], TERMS);
    for key in 0..100_u32 {
        on.set(&key.to_le_bytes(), None, 1);
    }
    assert_eq!(done(&on.settle(call(&opened.effects), opened.flight(0), VALUE)), [opened.batch]);
    assert!(on.get(b"a").is_some());
}

// Groups.

/// Queues all of `keys` with `grouping`, and answers the groups and single flights that start.
fn grouped(keys: &[&str], grouping: Grouping, group_size_max: usize) -> (u32, Vec<Vec<usize>>) {
    let mut on = Driver::new(CONFIG);
    let opened = on.admit(keys, &vec![0; keys.len()], true, Terms { limit: 100, ..TERMS });
    let flights: Vec<FlightId> = opened.admissions.iter().map(|admission| admission.flight).collect();
    let mut count = 0;
    let effects = on.turn(|engine, now| {
        count = engine.queue(opened.batch, &flights, grouping, group_size_max, now);
    });
    let place = |flight: u32| flights.iter().position(|&other| other.0 == flight).expect("one of them");
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for effect in effects {
        match effect {
            Effect::StartOne { flight, .. } => groups.push(vec![place(flight)]),
            Effect::StartGroup { .. } => groups.push(Vec::new()),
            Effect::Member { flight } => groups.last_mut().expect("a group").push(place(flight)),
            other => panic!("{other:?}"),
        }
    }
    (count, groups)
}

#[test]
fn flights_are_grouped_by_the_first_two_parts_of_their_keys() {
    let keys = ["a:b:1", "x", "a:c:1", "a:b:2", "a:b", "a", "a:c", "x:", ":", "::1"];
    let (count, groups) = grouped(&keys, Grouping::Prefix, 50);
    assert_eq!(groups, [vec![0, 3, 4], vec![1], vec![2, 6], vec![5], vec![7], vec![8, 9]]);
    assert_eq!(count, 6);
}

#[test]
fn a_group_is_cut_to_size_and_a_rest_of_one_is_fetched_by_itself() {
    let (count, groups) = grouped(&["a", "b", "c", "d", "e"], Grouping::Given(&[0, 0, NONE, 0, NONE]), 2);
    assert_eq!(groups, [vec![0, 1], vec![3], vec![2], vec![4]]);
    assert_eq!(count, 1);
}

#[test]
fn without_a_group_callback_groups_are_only_counted() {
    let (count, groups) = grouped(&["a:b:1", "x:y:1", "a:b:2"], Grouping::Prefix, 0);
    assert_eq!(groups, [vec![0], vec![1], vec![2]]);
    assert_eq!(count, 2);
}

#[test]
fn what_a_group_left_out_is_fetched_by_itself_under_the_same_limit() {
    let mut on = Driver::new(CONFIG);
    let opened = on.admit(&["a", "b", "c"], &[0; 3], true, TERMS);
    let flights: Vec<FlightId> = opened.admissions.iter().map(|admission| admission.flight).collect();
    let effects = on.turn(|engine, now| assert_eq!(engine.queue(opened.batch, &flights, Grouping::Given(&[0; 3]), 9, now), 1));
    let &Effect::StartGroup { place, generation, members: 3 } = &effects[0] else { panic!("{effects:?}") };
    let group = sluice::ids::CallId { place, generation };
    on.settle(group, flights[0], VALUE);
    assert_eq!(started(&on.turn(|engine, now| engine.fall_back(group, flights[1], now))), []);
    // With the last that is taken out the group's call is over, and its slot goes to the first that fell back.
    let effects = on.turn(|engine, now| engine.fall_back(group, flights[2], now));
    let (one, flight) = started(&effects)[0];
    assert_eq!(flight, flights[1]);
    let effects = on.settle(one, flight, FAILURE);
    assert_eq!(done(&on.settle(call(&effects), flights[2], VALUE)), [opened.batch]);
}

#[test]
fn a_group_is_aborted_only_when_none_of_its_keys_has_a_waiter() {
    let mut on = Driver::new(CONFIG);
    let opened = on.admit(&["a", "b"], &[0; 2], true, TERMS);
    let flights: Vec<FlightId> = opened.admissions.iter().map(|admission| admission.flight).collect();
    on.turn(|engine, now| assert_eq!(engine.queue(opened.batch, &flights, Grouping::Given(&[0; 2]), 9, now), 1));
    let other = on.load(&["b"], TERMS);
    let is_abort = |effect: &Effect| matches!(effect, Effect::Abort { .. });
    assert!(!on.leave(opened.batch).iter().any(is_abort));
    let effects = on.leave(other.batch);
    assert!(effects.iter().any(is_abort));
    assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Release { .. })).count(), 2);
}

// Nested batches.

#[test]
fn with_one_slot_batches_nest_as_deep_as_they_like() {
    const DEPTH: usize = 200;
    let mut on = Driver::new(CONFIG);
    let keys: Vec<String> = (0..DEPTH).map(|depth| format!("key {depth}")).collect();
    let mut calls = Vec::new();
    for key in &keys {
        let parent = calls.last().map(|&(call, _, _)| call);
        let opened = on.load(&[key], Terms { parent, ..TERMS });
        calls.push((call(&opened.effects), opened.flight(0), opened.batch));
    }
    for (call, flight, batch) in calls.into_iter().rev() {
        assert_eq!(done(&on.settle(call, flight, VALUE)), [batch]);
    }
    assert!(on.engine.is_quiescent());
}

#[test]
fn a_call_that_waits_for_a_nested_batch_lends_its_slot_and_goes_on_before_those_that_are_queued() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a", "b", "c"], TERMS);
    let outer = call(&opened.effects);
    let nested = on.load(&["x"], Terms { parent: Some(outer), ..TERMS });
    // `b` runs in the slot that `a` lends, `x` in the nested batch's own.
    let calls = started(&nested.effects);
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].1, opened.flight(1));
    // The nested batch is answered, but `a` has no slot to hear of it.
    let effects = on.settle(calls[1].0, nested.flight(0), VALUE);
    assert_eq!(done(&effects), []);
    // It gets the next one, ahead of `c`.
    let effects = on.settle(calls[0].0, opened.flight(1), VALUE);
    assert_eq!((done(&effects), started(&effects)), (vec![nested.batch], vec![]));
    assert_eq!(started(&on.settle(outer, opened.flight(0), VALUE)).len(), 1);
}

fn circle(effects: &[Effect]) -> Option<Vec<FlightId>> {
    let at = effects.iter().position(|effect| matches!(effect, Effect::Cycle { .. }))?;
    let of = |effect: &Effect| match *effect {
        Effect::Member { flight } => Some(FlightId(flight)),
        _ => None,
    };
    Some(effects[at + 1..].iter().map_while(of).collect())
}

#[test]
fn a_load_that_asks_for_itself_is_rejected() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a"], TERMS);
    let nested = on.admit(&["b", "a"], &[0; 2], true, Terms { parent: Some(call(&opened.effects)), ..TERMS });
    assert_eq!([nested.admissions[0].how, nested.admissions[1].how], [How::Led, How::Circular]);
    let itself = opened.flight(0);
    assert_eq!(circle(&nested.effects), Some(vec![itself, itself]));
}

#[test]
fn a_circle_is_named_from_what_is_asked_for_round_to_it() {
    let mut on = Driver::new(CONFIG);
    let terms = Terms { limit: 2, ..TERMS };
    let opened = on.load(&["a", "b"], terms);
    let calls = started(&opened.effects);
    let through = on.load(&["c"], Terms { parent: Some(calls[0].0), ..TERMS });
    let inner = on.load(&["b"], Terms { parent: Some(call(&through.effects)), ..TERMS });
    assert_eq!(inner.admissions[0].how, How::Joined, "a waits for c, c for b");
    let closing = on.load(&["a"], Terms { parent: Some(calls[1].0), ..TERMS });
    let [a, b, c] = [opened.flight(0), opened.flight(1), through.flight(0)];
    assert_eq!(circle(&closing.effects), Some(vec![a, c, b, a]));
    assert_eq!(done(&closing.effects), [closing.batch], "all its requests were rejected");
}

#[test]
fn waiting_for_one_that_no_longer_waits_is_no_circle() {
    let mut on = Driver::new(CONFIG);
    let outer = on.load(&["a"], TERMS);
    let nested = on.load(&["b"], Terms { parent: Some(call(&outer.effects)), ..TERMS });
    let other = on.load(&["b"], TERMS);
    // `a` gave up waiting for `b`, which goes on for another, and may ask for `a` now.
    on.leave(nested.batch);
    let asking = on.load(&["a"], Terms { parent: Some(call(&nested.effects)), ..TERMS });
    assert_eq!(asking.admissions[0].how, How::Joined);
    assert_eq!(done(&on.settle(call(&outer.effects), outer.flight(0), VALUE)), [outer.batch, asking.batch]);
    assert_eq!(done(&on.settle(call(&nested.effects), nested.flight(0), VALUE)), [other.batch]);
    assert!(on.engine.is_quiescent());
}

#[test]
fn a_circle_through_a_group_is_seen() {
    let mut on = Driver::new(CONFIG);
    let opened = on.admit(&["a", "b"], &[0; 2], true, TERMS);
    let flights: Vec<FlightId> = opened.admissions.iter().map(|admission| admission.flight).collect();
    let effects = on.turn(|engine, now| assert_eq!(engine.queue(opened.batch, &flights, Grouping::Given(&[0; 2]), 9, now), 1));
    let &Effect::StartGroup { place, generation, .. } = &effects[0] else { panic!("{effects:?}") };
    let group = sluice::ids::CallId { place, generation };
    let through = on.load(&["c"], Terms { parent: Some(group), ..TERMS });
    let closing = on.load(&["b"], Terms { parent: Some(call(&through.effects)), ..TERMS });
    assert_eq!(closing.admissions[0].how, How::Circular);
    // What the group has answered already is no part of it.
    on.settle(group, flights[1], VALUE);
    let again = on.load(&["b"], Terms { parent: Some(call(&through.effects)), ..TERMS });
    assert_eq!(again.admissions[0].how, How::Led);
}

// Answers that come late.

#[test]
fn an_answer_that_comes_late_changes_nothing() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a"], TERMS);
    let (id, flight) = (call(&opened.effects), opened.flight(0));
    on.leave(opened.batch);
    let again = on.load(&["a"], TERMS);
    assert_eq!(again.flight(0), flight, "flights' numbers are used again");
    assert_eq!(on.settle(id, flight, VALUE), []);
    assert_eq!(on.engine.stats().late, 1);
    assert_eq!(done(&on.settle(call(&again.effects), flight, VALUE)), [again.batch]);
    assert_eq!(on.settle(call(&again.effects), flight, VALUE), []);
}

#[test]
fn a_try_that_timed_out_cannot_answer_for_the_next_one() {
    let mut on = Driver::new(CONFIG);
    let retry = sluice::retry::RetryTerms { attempts: 2, ..sluice::retry::RetryTerms::NEVER };
    let opened = on.load(&["a"], Terms { retry, fetch_timeout: Millis(10.0), ..TERMS });
    let (first, flight) = (call(&opened.effects), opened.flight(0));
    let effects = on.advance(10.0);
    assert_eq!(effects, [Effect::TimeOut { place: first.place, generation: first.generation }]);
    on.settle(first, flight, RETRY);
    let second = call(&on.advance(10.0));
    assert_ne!(first, second);
    assert_eq!(on.settle(first, flight, VALUE), []);
    assert_eq!(done(&on.settle(second, flight, VALUE)), [opened.batch]);
}

#[test]
fn what_is_looked_up_and_not_loaded_is_counted_as_missed() {
    let mut on = Driver::new(CONFIG);
    on.turn(|engine, now| {
        assert_eq!(engine.lookup(b"ab", &mut [1, 1], Millis::ZERO, now), 2);
    });
    on.load(&["a"], TERMS);
    let stats = on.engine.stats();
    assert_eq!((stats.requested, stats.missed, stats.led), (3, 2, 1));
}

#[test]
fn a_batch_without_requests_that_wait_is_done_when_it_is_sealed() {
    let mut on = Driver::new(CONFIG);
    let effects = on.turn(|engine, now| {
        let batch = engine.open(TERMS, now);
        engine.seal(batch, now);
    });
    assert_eq!(done(&effects), [BatchId(0)]);
    assert!(on.engine.is_quiescent());
}
