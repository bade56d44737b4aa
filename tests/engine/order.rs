//! What starts when: priority, ageing, deadlines, tries and their budget.

use sluice::config::Config;
use sluice::engine::{Effect, Engine, Grouping, Outcome, Terms};
use sluice::ids::{BatchId, CallId, FlightId, NONE};
use sluice::rate::Rate;
use sluice::retry::{BudgetConfig, RetryTerms};
use sluice::time::Millis;

use crate::driver::{CONFIG, Driver, FAILURE, RETRY, TERMS, VALUE, call, done, started};

/// The keys of one batch in the order they are called, one at a time.
fn order(keys: &[&str], priorities: &[i32]) -> Vec<usize> {
    let mut on = Driver::new(CONFIG);
    let opened = on.load_with(keys, priorities, true, TERMS);
    let mut effects = opened.effects.clone();
    let mut order = Vec::new();
    while let Some(&(call, flight)) = started(&effects).first() {
        order.push(opened.admissions.iter().position(|admission| admission.flight == flight).expect("one of them"));
        effects = on.settle(call, flight, VALUE);
    }
    order
}

#[test]
fn calls_queued_together_start_by_priority_and_then_in_order() {
    assert_eq!(order(&["a", "b", "c", "d", "e"], &[0, 1, -1, 1, 0]), [1, 3, 0, 4, 2]);
}

#[test]
fn extreme_priorities_do_not_overflow() {
    assert_eq!(order(&["a", "b", "c"], &[i32::MIN, 0, i32::MAX]), [2, 1, 0]);
}

#[test]
fn a_join_raises_a_queued_load_and_a_leave_lowers_it() {
    for (leaves, expected) in [(false, [0, 2, 1]), (true, [0, 1, 2])] {
        let mut on = Driver::new(CONFIG);
        let opened = on.load(&["a", "b", "c"], TERMS);
        let urgent = on.load_with(&["c"], &[5], true, TERMS);
        if leaves {
            on.leave(urgent.batch);
        }
        let mut effects = opened.effects.clone();
        for index in expected {
            let (call, flight) = started(&effects)[0];
            assert_eq!(flight, opened.flight(index));
            effects = on.settle(call, flight, VALUE);
        }
        assert!(on.engine.is_quiescent());
    }
}

/// A batch that one request after the other is admitted to is how a lane would starve its low ones.
#[test]
fn a_low_call_is_overtaken_by_at_most_a_hundred_per_step_of_priority() {
    for steps in [1, 3] {
        let mut on = Driver::new(CONFIG);
        let batch = on.engine.open(TERMS, on.now());
        let queue = |on: &mut Driver, key: &str, priority: i32| -> (FlightId, Vec<Effect>) {
            let mut flight = None;
            let effects = on.turn(|engine, now| {
                engine.miss_all(key.as_bytes(), &[key.len() as u32]);
                let wishes = sluice::engine::Wishes::Each { ttls: &[f64::NAN], priorities: &[priority] };
                let led = engine.admit(batch, key.as_bytes(), 0, wishes, true)[0].flight;
                engine.queue(batch, &[led], Grouping::None, 0, now);
                flight = Some(led);
            });
            (flight.expect("it was led"), effects)
        };
        let (_, effects) = queue(&mut on, "first", 0);
        let mut running = started(&effects)[0];
        let (low, _) = queue(&mut on, "low", -steps);
        let mut overtaken = 0;
        loop {
            // There is always one more that is more urgent.
            queue(&mut on, &format!("high {overtaken}"), 0);
            running = started(&on.settle(running.0, running.1, VALUE))[0];
            if running.1 == low {
                break;
            }
            overtaken += 1;
        }
        assert_eq!(overtaken, 100 * steps, "{steps} steps of priority");
    }
}

#[test]
fn no_more_callbacks_run_than_the_limit() {
    let mut on = Driver::new(CONFIG);
    let keys: Vec<String> = (0..50).map(|key| key.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let opened = on.load(&keys, Terms { limit: 7, ..TERMS });
    let mut running = started(&opened.effects);
    assert_eq!(running.len(), 7);
    while let Some((call, flight)) = running.pop() {
        running.extend(started(&on.settle(call, flight, VALUE)));
        assert_eq!(running.len() as u64, on.engine.stats().running);
        assert!(running.len() <= 7);
    }
    assert!(on.engine.is_quiescent());
}

#[test]
fn deadlines_come_in_order_and_only_once() {
    let mut on = Driver::new(CONFIG);
    let late = on.load(&["a"], Terms { fetch_timeout: Millis(20.0), timeout: Millis(10.0), ..TERMS });
    let soon = on.load(&["b"], Terms { fetch_timeout: Millis(5.0), timeout: Millis(20.0), ..TERMS });
    assert_eq!(on.engine.next_deadline().0, 5.0);
    assert_eq!(on.advance(4.9), []);
    let time_out = |effects: &[Effect]| {
        let call = call(effects);
        Effect::TimeOut { place: call.place, generation: call.generation }
    };
    let all = on.advance(20.0);
    let batch = |batch: BatchId| Effect::TimeOutBatch { batch: batch.0 };
    // Those of one moment in the order they were set.
    let expected = [time_out(&soon.effects), batch(late.batch), time_out(&late.effects), batch(soon.batch)];
    assert_eq!(all, expected);
    assert_eq!(on.advance(1e9), []);
    assert!(on.engine.next_deadline().0.is_infinite());
}

#[test]
fn an_answered_batch_leaves_no_deadline_behind() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a"], Terms { fetch_timeout: Millis(5.0), timeout: Millis(10.0), ..TERMS });
    on.settle(call(&opened.effects), opened.flight(0), VALUE);
    assert!(on.engine.next_deadline().0.is_infinite());
}

const THREE: RetryTerms = RetryTerms { attempts: 3, backoff: Millis(10.0), backoff_max: Millis(15.0), jitter: 0.0 };

#[test]
fn a_failed_load_is_tried_again_after_its_backoff_and_in_the_end_fails() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a"], Terms { retry: THREE, ..TERMS });
    assert_eq!(on.settle(call(&opened.effects), opened.flight(0), RETRY), []);
    assert_eq!(on.engine.next_deadline().0, 10.0);
    let second = on.advance(10.0);
    on.settle(call(&second), opened.flight(0), RETRY);
    assert_eq!(on.engine.next_deadline().0, 25.0, "twice ten is over the maximum");
    let third = on.advance(25.0);
    assert_eq!(done(&on.settle(call(&third), opened.flight(0), RETRY)), [opened.batch]);
    assert_eq!(on.engine.stats().retried, 2);
}

#[test]
fn what_is_not_worth_a_try_is_not_tried_again_and_a_hint_is_heeded() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a"], Terms { retry: THREE, ..TERMS });
    assert_eq!(done(&on.settle(call(&opened.effects), opened.flight(0), FAILURE)), [opened.batch]);
    let opened = on.load(&["a"], Terms { retry: THREE, ..TERMS });
    let hint = Outcome::Failed { retryable: true, hint: Some(Millis(500.0)) };
    on.settle(call(&opened.effects), opened.flight(0), hint);
    assert_eq!(on.engine.next_deadline().0, 500.0);
}

#[test]
fn who_leaves_while_it_backs_off_ends_the_load() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a"], Terms { retry: THREE, ..TERMS });
    on.settle(call(&opened.effects), opened.flight(0), RETRY);
    on.leave(opened.batch);
    assert!(on.engine.is_quiescent());
}

#[test]
fn a_dead_source_costs_no_more_tries_than_the_budget_earns() {
    const LOADS: u64 = 1000;
    let retry_budget = BudgetConfig { ratio: 0.25, burst: 10.0 };
    let mut on = Driver::new(Config { retry_budget, ..CONFIG });
    let retry = RetryTerms { attempts: 100, ..RetryTerms::NEVER };
    for load in 0..LOADS {
        let opened = on.load(&[&load.to_string()], Terms { retry, ..TERMS });
        let mut effects = opened.effects.clone();
        while let Some(&(call, flight)) = started(&effects).first() {
            effects = on.settle(call, flight, RETRY);
            if effects.is_empty() {
                effects = on.advance(on.now);
            }
        }
    }
    let stats = on.engine.stats();
    assert_eq!(stats.failed, LOADS);
    // Full from the start, it loses the first deposit.
    assert_eq!(stats.retried, 10 + (LOADS - 1) / 4);
    assert!(on.engine.is_quiescent());
}

#[test]
fn priorities_that_went_up_leave_no_trail_in_the_queue() {
    let mut on = Driver::new(CONFIG);
    let keys: Vec<String> = (0..100).map(|key| key.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let opened = on.load(&keys, TERMS);
    // Short of where the queue is rebuilt; `validate` counts what it carries after each call.
    on.load_with(&keys, &[1; 100], true, TERMS);
    on.load_with(&keys[..60], &[2; 60], true, TERMS);
    let mut effects = opened.effects.clone();
    while let Some(&(call, flight)) = started(&effects).first() {
        effects = on.settle(call, flight, VALUE);
    }
    assert!(on.engine.is_quiescent());
}

#[test]
fn stale_if_error_serves_what_expired_until_its_grace_is_over() {
    let mut on = Driver::new(CONFIG);
    let terms = Terms { stale_if_error: Millis(100.0), ..TERMS };
    let load = |on: &mut Driver| on.load(&["a"], terms);
    let opened = load(&mut on);
    on.settle(call(&opened.effects), opened.flight(0), VALUE);
    for (at, stale) in [(1099.0, true), (1100.0, false)] {
        on.now = at;
        on.turn(Engine::purge);
        let opened = load(&mut on);
        let effects = on.settle(call(&opened.effects), opened.flight(0), FAILURE);
        let is_stale = |effect: &Effect| matches!(effect, Effect::DeliverStale { .. });
        assert_eq!(effects.iter().any(is_stale), stale, "at {at}");
    }
}

#[test]
fn a_call_that_gets_no_slot_in_time_is_refused_before_it_is_called() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a", "b"], Terms { queue_timeout: Millis(30.0), ..TERMS });
    assert_eq!(on.engine.next_deadline().0, 30.0, "only b waits");
    let effects = on.advance(30.0);
    let [Effect::TimeOutQueued { place, generation, members: 1 }, Effect::Member { flight }] = effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(FlightId(flight), opened.flight(1));
    on.settle(CallId { place, generation }, FlightId(flight), FAILURE);
    assert_eq!(started(&on.settle(call(&opened.effects), opened.flight(0), VALUE)), []);
    assert!(on.engine.is_quiescent());
}

#[test]
fn a_queued_call_that_nobody_waits_for_leaves_no_deadline_behind() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a", "b"], Terms { queue_timeout: Millis(30.0), ..TERMS });
    on.leave(opened.batch);
    assert!(on.engine.next_deadline().0.is_infinite());
}

/// Where batches meet, ever new ones that are more urgent are how a low one would starve.
#[test]
fn a_low_batch_is_overtaken_by_at_most_a_hundred_others_per_step_of_priority_wherever_they_meet() {
    let ways = [(1.0, false, false), (f64::INFINITY, true, false), (f64::INFINITY, false, true), (1.0, true, true)];
    for (max_concurrency, group, rate) in ways {
        for steps in [1, 3] {
            let mut on = Driver::new(Config { max_concurrency, ttl: 0.0, ..CONFIG });
            if rate {
                on.engine.add_rate(Rate::new(1.0, Millis(10.0), 1.0, false));
            }
            let ask = |on: &mut Driver, key: &str, priority: i32| -> (FlightId, Vec<Effect>) {
                let terms = Terms { limit_per_group: if group { 1 } else { u32::MAX }, ..TERMS };
                let opened = on.admit(&[key], &[priority], true, terms);
                let flight = opened.flight(0);
                let effects = on.turn(|engine, now| {
                    let mut gates = Vec::new();
                    if group {
                        gates.push(engine.gate(NONE, b"group", now));
                    }
                    if rate {
                        gates.push(engine.gate(0, b"", now));
                    }
                    if !gates.is_empty() {
                        engine.limit(opened.batch, &gates, &[flight.0]);
                    }
                    engine.queue(opened.batch, &[flight], Grouping::None, 0, now);
                });
                (flight, effects)
            };
            let mut running = started(&ask(&mut on, "first", 0).1);
            let (low, _) = ask(&mut on, "low", -steps);
            let mut overtaken = 0;
            loop {
                ask(&mut on, &format!("high {overtaken}"), 0);
                let (call, flight) = running.pop().expect("one runs");
                running = started(&on.settle(call, flight, VALUE));
                if running.is_empty() {
                    running = started(&on.advance(on.engine.next_deadline().0));
                }
                assert_eq!(running.len(), 1);
                if running[0].1 == low {
                    break;
                }
                overtaken += 1;
            }
            assert_eq!(overtaken, 100 * steps, "{steps} steps, {:?}", (max_concurrency, group, rate));
        }
    }
}

/// The slot that a callback gives up while it waits for another is one that others get, before it goes on.
#[test]
fn callbacks_that_ask_again_and_again_starve_nobody() {
    let mut on = Driver::new(Config { max_concurrency: 1.0, ttl: 0.0, ..CONFIG });
    let greedy = call(&on.load(&["greedy"], TERMS).effects);
    let waiting: Vec<FlightId> = ["a", "b", "c"].map(|key| on.load_with(&[key], &[-1], true, TERMS).flight(0)).to_vec();
    for (time, next) in waiting.into_iter().enumerate() {
        let nested = on.load(&[&format!("{time}")], Terms { parent: Some(greedy), ..TERMS });
        let (call, flight) = started(&nested.effects)[0];
        assert_eq!(flight, next, "its turn, time {time}");
        let (call, flight) = started(&on.settle(call, flight, VALUE))[0];
        assert_eq!(done(&on.settle(call, flight, VALUE))[..1], [nested.batch], "it goes on");
    }
}
