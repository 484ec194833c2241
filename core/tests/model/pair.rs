//! The engine's state and the model side by side: one step to both, and what they say must be the same.

use std::collections::{BTreeMap, VecDeque};

use orderline_core::Rejection;
use orderline_core::board::{Board, Publisher, board};
use orderline_core::state::Accepted;
use orderline_protocol::RejectCode;
use orderline_protocol::command::{Command, CommandKind, RawCommand};
use orderline_protocol::event::{DecidingRule, EVENT_VERSION, Event};

use crate::compare;
use crate::generate::{Step, What};
use crate::model::{Answer, Model, Rare, Refused};
use crate::support::{Driver, SlowWalk};

/// How often each kind was accepted, and each code was the answer.
#[derive(Debug, Default)]
pub struct Counts {
    pub commands: u64,
    /// Refusals with several reasons, of which the engine named another one.
    pub several: u64,
    pub accepted: BTreeMap<u8, u64>,
    pub before: u64,
    pub refused: BTreeMap<RejectCode, u64>,
    /// How often each rule decided where units went.
    pub rules: BTreeMap<u8, u64>,
    pub shortages: u64,
    pub expired: u64,
    pub left: u64,
    /// Snapshots that were walked while the state changed.
    pub walked: u64,
    /// Images with changed bytes that were read, and how many of them were refused.
    pub spoiled: [u64; 2],
    /// How often the model came to what is rare.
    pub rare: BTreeMap<Rare, u64>,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.commands += other.commands;
        self.before += other.before;
        self.shortages += other.shortages;
        self.expired += other.expired;
        self.left += other.left;
        self.walked += other.walked;
        self.spoiled = [0, 1].map(|of| self.spoiled[of] + other.spoiled[of]);
        self.add_rare(&other.rare);
        for (&kind, count) in &other.accepted {
            *self.accepted.entry(kind).or_default() += count;
        }
        for (&code, count) in &other.refused {
            *self.refused.entry(code).or_default() += count;
        }
        for (&rule, count) in &other.rules {
            *self.rules.entry(rule).or_default() += count;
        }
    }

    /// Counts what a model came to.
    pub fn add_rare(&mut self, rare: &BTreeMap<Rare, u64>) {
        for (&rare, count) in rare {
            *self.rare.entry(rare).or_default() += count;
        }
    }

    /// Counts what the model did with a command.
    pub fn note(&mut self, model: &Model, kind: CommandKind, answer: &Answer) {
        self.commands += 1;
        match answer {
            Ok(told) if told.before => self.before += 1,
            Ok(_) => {
                *self.accepted.entry(kind as u8).or_default() += 1;
                self.shortages += model.shortages.iter().filter(|one| !one.orders.is_empty()).count() as u64;
                if let Some(rule) = model.rule {
                    *self.rules.entry(rule as u8).or_default() += 1;
                }
            }
            Err(refused) => *self.refused.entry(refused.code).or_default() += 1,
        }
    }
}

/// Gives a step's command to whoever wants it.
pub fn with_command<T>(bytes: &[u8], run: impl FnOnce(&Command<'_>) -> T) -> T {
    let raw = RawCommand::take(&mut &bytes[..]).unwrap();
    run(&raw.read().expect("the generator makes commands that can be read"))
}

pub struct Pair {
    pub driver: Driver,
    pub model: Model,
    pub counts: Counts,
    /// What can be bought, published after each step.
    board: Board,
    publisher: Publisher,
    /// The orders that left memory last.
    gone: VecDeque<u128>,
}

impl Pair {
    pub fn new(seed: u64) -> Self {
        let mut driver = Driver::new(seed);
        driver.walk = Some(SlowWalk::default());
        driver.keyed_every = 3;
        let model = Model { sequence: driver.state.sequence(), ..Model::default() };
        let (writer, board) = board();
        // Whoever looks wants it to be kept.
        assert!(board.look().is_none());
        let publisher = Publisher::new(writer);
        Self { driver, model, counts: Counts::default(), board, publisher, gone: VecDeque::new() }
    }

    /// Does a step with both.
    ///
    /// # Errors
    /// What they do not agree on.
    pub fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.what {
            What::Tick => {
                let known: Vec<u128> = self.model.orders.keys().copied().collect();
                self.driver.pass_time(step.now_us);
                self.counts.expired += self.model.tick(step.now_us) as u64;
                self.counts.left += self.model.retire(step.now_us) as u64;
                self.gone.extend(known.iter().filter(|id| !self.model.orders.contains_key(id)));
                while self.gone.len() > 8 {
                    self.gone.pop_front();
                }
            }
            What::Command(bytes) => with_command(bytes, |command| self.command(step.now_us, command))?,
        }
        self.model.sequence = self.driver.state.sequence();
        self.publisher.publish(&mut self.driver.state);
        Ok(())
    }

    fn command(&mut self, now_us: i64, command: &Command<'_>) -> Result<(), String> {
        let before = self.driver.state.sequence();
        let kept = self.driver.events.len();
        let engine = self.driver.run_at(now_us, command);
        let faults = self.model.faults(command);
        let model = self.model.run(now_us, command);
        if let (Err(engine), Err(model)) = (&engine, &model)
            && engine.code != model.code
            && faults.contains(&engine.code)
            && faults.contains(&model.code)
        {
            // Of several reasons that a placement has in itself, the engine may name any.
            self.counts.several += 1;
            *self.counts.refused.entry(engine.code).or_default() += 1;
            *self.counts.refused.entry(model.code).or_default() += 1;
            let behind = self.driver.state.sequence();
            return if behind == before {
                Ok(())
            } else {
                Err("a refused command changed the state".to_owned())
            };
        }
        let behind = self.driver.state.sequence();
        alike(&engine, &model, before, behind)
            .map_err(|what| format!("{what}\n  engine: {engine:?}\n  model:  {model:?}"))?;
        self.counts.note(&self.model, command.kind(), &model);
        if !model.is_ok_and(|told| !told.before) {
            return Ok(());
        }
        self.events_alike(kept)?;
        compare::order_of(&self.driver, &self.model, command)
    }

    /// The facts that stand in events and nowhere else: what decided where units are, and who is short.
    fn events_alike(&self, kept: usize) -> Result<(), String> {
        let mut rule = None;
        let mut shortages = Vec::new();
        for (_, kind, payload) in &self.driver.events[kept..] {
            match Event::read(*kind, EVENT_VERSION, payload).unwrap() {
                Event::OrderPlaced(event, ..) => rule = Some(event.rule),
                Event::CartReserved(event, ..) => rule = Some(event.rule),
                Event::GroupPlaced(event, ..) => rule = Some(event.rule),
                Event::LineEdited(event, _) if event.rule != 0 => rule = Some(event.rule),
                // Where nobody has any, the event says nothing instead of that all is backordered.
                Event::WorkRejected(event, _) if event.rule == 0 => {
                    rule = Some(DecidingRule::Backorder as u8)
                }
                Event::WorkRejected(event, _) => rule = Some(event.rule),
                Event::ShortageNamed(event, orders) => {
                    let orders: Vec<(u128, u32)> =
                        orders.iter().map(|one| (one.order.get(), one.quantity.get())).collect();
                    let level = (event.sku.get(), event.location.get());
                    shortages.push((level, event.short.get(), orders));
                }
                _ => {}
            }
        }
        let expected = self.model.rule.map(|rule| rule as u8);
        if rule != expected {
            return Err(format!("the engine's deciding rule is {rule:?}, the model's {expected:?}"));
        }
        // Whether a shortage that hits nobody is worth an event is nobody's business.
        shortages.retain(|one| !one.2.is_empty());
        let named = self.model.shortages.iter().filter(|one| !one.orders.is_empty());
        let expected: Vec<_> = named.map(|one| (one.level, one.short, one.orders.clone())).collect();
        if shortages != expected {
            return Err(format!("the engine names {shortages:?}, the model {expected:?}"));
        }
        Ok(())
    }

    /// Compares everything that can be asked for, and what must hold of each alone.
    ///
    /// # Errors
    /// The first thing that differs or does not hold.
    pub fn compare(&self) -> Result<(), String> {
        compare::everything(&self.driver, &self.model)?;
        compare::availability(&self.driver, &self.model, &self.board)?;
        for &id in &self.gone {
            compare::is_gone(&self.driver, &self.model, id)?;
        }
        if let Some(broken) = self.model.broken().first() {
            return Err(format!("the model breaks its own rules: {broken}"));
        }
        let unsound = self.driver.state.check();
        if unsound.is_empty() { Ok(()) } else { Err(format!("the engine's state is unsound: {unsound:?}")) }
    }
}

/// Compares two answers, the engine having gone from one sequence to another.
fn alike(
    engine: &Result<Accepted, Rejection>,
    model: &Answer,
    before: u64,
    behind: u64,
) -> Result<(), &'static str> {
    let says = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
    match (engine, model) {
        (Ok(engine), Ok(model)) => {
            says((behind == before) == model.before, "one of them says that it took effect before")?;
            says(model.before || engine.sequence == before + 1, "it took effect at another sequence")?;
            says(engine.detail == model.detail, "the details differ")?;
            says(engine.version == model.version, "the versions differ")?;
            says(engine.state == model.state, "the states differ")
        }
        (Err(engine), Err(model)) => {
            says(behind == before, "a refused command changed the state")?;
            says(engine.code == model.code, "the codes differ")?;
            let Refused { state, subject, detail, version, sequence, .. } = *model;
            says(subject.is_none_or(|subject| subject == engine.subject), "the subjects differ")?;
            says(detail.is_none_or(|detail| detail == engine.detail), "the details differ")?;
            says(state.is_none_or(|state| state == engine.state), "the states differ")?;
            says(version.is_none_or(|version| version == engine.version), "the versions differ")?;
            says(sequence.is_none_or(|one| Some(one) == engine.sequence), "the sequences differ")
        }
        _ => Err("one accepts what the other refuses"),
    }
}
