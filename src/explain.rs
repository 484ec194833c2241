//! `orderline explain`: the transition table, as text or as a Mermaid state diagram; and the table of who may do what.

use std::io::Write;

use orderline_access::{Deeds, POLICY, PolicyRow, Role};
use orderline_core::state::transitions::{TRANSITIONS, as_mermaid, as_text};
use orderline_protocol::lifecycle::Entity;
use serde_json::json;

use crate::cli::ExplainArguments;
use crate::verb::{Ending, Refusal, VerbResult, print_json};

pub(crate) fn run(arguments: &ExplainArguments) -> VerbResult {
    if arguments.access {
        return explain_access(arguments.json);
    }
    let only = arguments.entity.as_deref().map(entity).transpose()?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let rows = TRANSITIONS.iter().filter(|row| only.is_none_or(|only| only == row.entity));
        let row = |row: &orderline_core::state::transitions::Transition| {
            let to: Vec<_> = row.to.iter().map(|&to| row.entity.state_name(to)).collect();
            json!({"entity": row.entity.name(), "from": row.entity.state_name(row.from),
                "action": row.action.name(), "to": to})
        };
        drop(out);
        print_json(&json!({"transitions": rows.map(row).collect::<Vec<_>>()}))?;
    } else if arguments.mermaid {
        let entities = Entity::ALL.iter().copied().filter(|&entity| only.is_none_or(|only| only == entity));
        for (index, entity) in entities.enumerate() {
            let gap = if index > 0 { "\n" } else { "" };
            write!(out, "{gap}%% {}\n{}", entity.name(), as_mermaid(entity))?;
        }
    } else {
        write!(out, "{}", as_text(only))?;
    }
    Ok(Ending::Well)
}

/// Who may do what.
fn explain_access(is_json: bool) -> VerbResult {
    if is_json {
        let row = |&(deed, _): &PolicyRow| {
            let may = Role::ALL.iter().filter(|&&role| Deeds::of(role).has(deed));
            json!({"deed": deed.name(), "roles": may.map(|role| role.name()).collect::<Vec<_>>()})
        };
        print_json(&json!({"access": POLICY.iter().map(row).collect::<Vec<_>>()}))?;
    } else {
        std::io::stdout().lock().write_all(orderline_access::as_text().as_bytes())?;
    }
    Ok(Ending::Well)
}

fn entity(name: &str) -> Result<Entity, Refusal> {
    Entity::from_name(name).ok_or_else(|| {
        let known: Vec<_> = Entity::ALL.iter().map(|entity| entity.name()).collect();
        Refusal::new(format!("no entity is called {name:?}; there are: {}", known.join(", ")))
    })
}
