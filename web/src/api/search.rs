//! What the read models know: orders and returns found, orders' timelines, the work and the levels of locations, entries of ledgers. Each answer
//! names the sequence that it speaks of; `at_least` waits for one.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use orderline_access::Area;
use orderline_json::view;
use orderline_protocol::command::QueryStock;
use orderline_protocol::event::Event;
use orderline_protocol::lifecycle::WorkState;
use orderline_protocol::reply::LevelView;
use orderline_protocol::{BuyerId, Command, LocationHandle, Scope, SellerHandle, SessionHandle};
use orderline_readmodel::{AsOf, Cursor, OrderFilter, Page, ReadModelError, Reader, ReturnFilter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::request::{Asked, At, Caller};
use super::types::{
    Count, Currency, GroupUlid, Id, OrderStateName, OrderUlid, ReturnStateName, Time, WorkStateName,
};
use super::{Api, blocking};
use crate::front::Commands;
use crate::problem::{Problem, Problems};

/// How long a read waits for the sequence that it asks to be at.
const AT_LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// Entries of a page where nobody says how many.
const PAGE_COUNT: usize = 50;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(orders))
        .routes(routes!(timeline))
        .routes(routes!(work))
        .routes(routes!(returns))
        .routes(routes!(levels))
        .routes(routes!(entries))
}

impl From<ReadModelError> for Problem {
    fn from(error: ReadModelError) -> Self {
        match error {
            ReadModelError::Cursor(_) => Self::wrong_field("cursor", "WrongCursor", format!("{error}.")),
            _ => {
                let title = "The read models cannot answer.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "NoReadModels", title, format!("{error}."))
            }
        }
    }
}

impl Api {
    /// Asks the read models on a thread that may wait for the disk, once they are at the sequence asked for.
    async fn ask_models<T: Send + 'static>(
        &self,
        at_least: Option<u64>,
        ask: impl FnOnce(&Reader) -> Result<T, ReadModelError> + Send + 'static,
    ) -> Result<T, Problem> {
        let models = self.models().clone();
        blocking(move || {
            let wanted = at_least.unwrap_or(0);
            if models.as_of().sequence < wanted && !models.wait_for(wanted, AT_LEAST_PATIENCE) {
                return Err(Problem::too_early(models.as_of().sequence, wanted));
            }
            Ok(ask(&models)?)
        })
        .await
    }
}

/// Refuses what is not the token's to see: what is neither its seller's nor at one of its locations. What is nobody's is no bound token's.
fn check_scope(
    caller: &Caller,
    seller: Option<SellerHandle>,
    location: Option<LocationHandle>,
) -> Result<(), Problem> {
    let is_within = match caller.grant.scope {
        Scope::Everything => true,
        Scope::Seller(own) => seller == Some(own),
        Scope::Locations(own) => location.is_some_and(|location| own.has(location)),
    };
    if is_within {
        return Ok(());
    }
    let detail = "The token is bound to a seller or a location, and this is another's.";
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "OutOfScope",
        "This lies outside of what the token is for.",
        detail,
    ))
}

/// A cursor as a request brings it.
fn cursor(text: Option<&String>) -> Result<Option<Cursor>, Problem> {
    Ok(text.map(|text| text.parse()).transpose()?)
}

/// A page of what was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundPage<T> {
    /// Everything up to this sequence is in the answer.
    as_of: u64,
    /// What happened before this sequence is known only as far as the engine still held it; 1: all is known.
    known_from: u64,
    /// What was found; it may be short while there is more.
    items: Vec<T>,
    /// What to ask the next page with; null: this was the last one.
    next: Option<String>,
}

impl<T> FoundPage<T> {
    /// A page of what the read models found, each shown.
    fn of<U>(found: &Page<U>, shown: impl Fn(&U) -> T) -> Json<Self> {
        Self::with(found, found.items.iter().map(shown).collect())
    }

    /// The same, with what is shown in the place of what was found.
    fn with<U>(found: &Page<U>, items: Vec<T>) -> Json<Self> {
        let AsOf { sequence, known_from, .. } = found.as_of;
        Json(Self { as_of: sequence, known_from, items, next: found.next.as_ref().map(Cursor::to_string) })
    }
}

/// What to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchTerms {
    /// An order's id.
    order: Option<OrderUlid>,
    /// The group that it was placed in.
    group: Option<GroupUlid>,
    /// The caller's own text for it.
    external_id: Option<String>,
    /// Who buys.
    buyer: Option<u64>,
    /// The code of who sells.
    seller: Option<String>,
    /// The code of a SKU of one of its lines.
    sku: Option<String>,
    /// The code of a location that units of it are at, or that has or had work of it.
    location: Option<String>,
    /// Its state.
    state: Option<OrderStateName>,
    /// Placed then or later.
    from: Option<Time>,
    /// Placed before then.
    to: Option<Time>,
    /// Where the page before said that the next begins.
    cursor: Option<String>,
    /// Entries at most.
    #[param(minimum = 1, maximum = 500, value_type = Option<u32>)]
    limit: Option<Count<500>>,
    /// The answer speaks of this sequence at least.
    at_least: Option<u64>,
}

/// An order that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundOrder {
    /// Its id.
    order: OrderUlid,
    /// The group that it was placed in.
    group: GroupUlid,
    /// The caller's own text for it.
    external_id: Option<String>,
    /// Who buys.
    buyer: u64,
    /// The code of who sells.
    seller: Option<String>,
    /// The currency of its prices.
    currency: Currency,
    /// What it costs now.
    total_minor: i64,
    /// Its state.
    state: OrderStateName,
    /// It has left the engine's memory; what is here is what is left to read, and its timeline.
    is_retired: bool,
    /// When it was placed, by recorded time.
    placed_at: Time,
    /// When something last happened to it.
    changed_at: Time,
    /// Its lines.
    line_count: usize,
    /// The sequence of the newest event about it.
    last_sequence: u64,
}

/// Search orders, the newest first.
#[utoipa::path(get, path = "/v1/orders", tag = "orders", params(SearchTerms),
    responses((status = 200, body = FoundPage<FoundOrder>), Problems))]
async fn orders(
    State(api): State<Api>,
    caller: Caller,
    Asked(terms): Asked<SearchTerms>,
) -> Result<Json<FoundPage<FoundOrder>>, Problem> {
    let may = caller.may(Area::Orders)?;
    let mut filter = OrderFilter {
        order: terms.order.map(|id| id.0),
        external_id: terms.external_id,
        group: terms.group.map(|id| id.0),
        buyer: terms.buyer.map(BuyerId::new),
        state: terms.state.map(|state| state.0),
        placed_from_us: terms.from.map(|time| time.0),
        placed_before_us: terms.to.map(|time| time.0),
        ..OrderFilter::default()
    };
    if let Some(code) = &terms.seller {
        filter.seller = Some(api.seller(may, code).await?);
    }
    if let Some(code) = &terms.sku {
        filter.sku = Some(api.sku(may, code).await?);
    }
    if let Some(code) = &terms.location {
        filter.locations = vec![api.location(may, code).await?];
    }
    // Whoever is bound sees what it is bound to, whatever else it asks for.
    match caller.grant.scope {
        Scope::Everything => {}
        Scope::Seller(own) => _ = filter.seller.get_or_insert(own),
        Scope::Locations(own) if filter.locations.is_empty() => filter.locations = own.iter().collect(),
        Scope::Locations(_) => {}
    }
    check_scope(&caller, filter.seller, filter.locations.first().copied())?;
    let (cursor, limit) = (cursor(terms.cursor.as_ref())?, terms.limit.map_or(PAGE_COUNT, Count::usize));
    let found =
        api.ask_models(terms.at_least, move |models| models.search(&filter, cursor.as_ref(), limit)).await?;
    let shown = |order: &orderline_readmodel::Order| FoundOrder {
        order: Id(order.order),
        group: Id(order.group),
        external_id: Some(order.external_id.clone()).filter(|id| !id.is_empty()),
        buyer: order.buyer.get(),
        seller: api.names().seller_code(order.seller).map(|code| code.into_owned()),
        currency: Currency(order.currency),
        total_minor: order.total.minor(),
        state: OrderStateName(order.state),
        is_retired: order.is_retired,
        placed_at: Time(order.placed_at_us),
        changed_at: Time(order.changed_at_us),
        line_count: order.lines.len(),
        last_sequence: order.changed_sequence,
    };
    Ok(FoundPage::of(&found, shown))
}

/// Which part of a list that the read models keep.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListTerms {
    /// Where the page before said that the next begins.
    cursor: Option<String>,
    /// Entries at most.
    #[param(minimum = 1, maximum = 500, value_type = Option<u32>)]
    limit: Option<Count<500>>,
    /// The answer speaks of this sequence at least.
    at_least: Option<u64>,
}

/// Everything that happened to an order, oldest first: its own events, its group's payments, its cart's reservation. Each is the
/// record as the journal has it: who asked, what, when and what came of it. `by` is the token that asked, for whoever may see everything.
#[utoipa::path(get, path = "/v1/orders/{order}/timeline", tag = "orders",
    params(ListTerms, ("order" = OrderUlid, Path, description = "The order's id.")),
    responses((status = 200, body = FoundPage<Value>), Problems))]
async fn timeline(
    State(api): State<Api>,
    caller: Caller,
    At(order): At<OrderUlid>,
    Asked(terms): Asked<ListTerms>,
) -> Result<Json<FoundPage<Value>>, Problem> {
    caller.may(Area::Orders)?;
    let (cursor, limit) = (cursor(terms.cursor.as_ref())?, terms.limit.map_or(PAGE_COUNT, Count::usize));
    let scope = caller.grant.scope;
    let ask = move |models: &Reader| {
        let is_within = match scope {
            Scope::Everything => true,
            Scope::Seller(own) => models.order(order.0)?.is_some_and(|order| order.seller == own),
            Scope::Locations(own) => {
                models.order(order.0)?.is_some_and(|order| own.iter().any(|location| order.is_at(location)))
            }
        };
        if is_within { models.timeline(order.0, cursor.as_ref(), limit) } else { Ok(None) }
    };
    let found = api.ask_models(terms.at_least, ask).await?;
    let found = found.ok_or_else(|| {
        let detail = "No order with this id is in the read models.";
        Problem::new(StatusCode::NOT_FOUND, "UnknownOrder", "No order has this id.", detail)
    })?;
    let shown = |entry: &orderline_readmodel::TimelineEntry| {
        let kept = entry.record.as_ref();
        let event = kept.and_then(|record| Event::read(entry.kind, record.version, &record.payload).ok());
        match event {
            Some(event) => orderline_json::record(api.names(), entry.sequence, entry.recorded_at_us, &event),
            // Its segment was removed: what is left is that it was.
            None => {
                serde_json::json!({"sequence": entry.sequence, "recorded_at": Time(entry.recorded_at_us), "kind": null})
            }
        }
    };
    let mut records: Vec<Value> = found.items.iter().map(shown).collect();
    // Whoever is bound to a seller or a location is not told of other tokens.
    if scope == Scope::Everything {
        name_askers(&api, &mut records).await?;
    }
    Ok(FoundPage::with(&found, records))
}

/// Says of each record that was asked for by a token which one that was.
async fn name_askers(api: &Api, records: &mut [Value]) -> Result<(), Problem> {
    let number = |record: &Value, name: &str| record[name].as_u64();
    let asked: Vec<_> =
        records.iter().map(|record| (number(record, "session"), number(record, "sequence"))).collect();
    let ask = move |models: &Reader| {
        let actor = |&asked: &(Option<u64>, Option<u64>)| match asked {
            (Some(session), Some(at)) => models.actor(SessionHandle::new(session as u32), at),
            _ => Ok(None),
        };
        asked.iter().map(actor).collect::<Result<Vec<_>, _>>()
    };
    let actors = api.ask_models(None, ask).await?;
    for (record, actor) in records.iter_mut().zip(actors) {
        if let Some(token) = actor.filter(|&token| token > 0) {
            record["by"] = serde_json::json!({"token": token, "label": api.access().label(token)});
        }
    }
    Ok(())
}

/// Which work.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WorkTerms {
    /// Only work in this state.
    state: Option<WorkStateName>,
    /// Where the page before said that the next begins.
    cursor: Option<String>,
    /// Entries at most.
    #[param(minimum = 1, maximum = 500, value_type = Option<u32>)]
    limit: Option<Count<500>>,
    /// The answer speaks of this sequence at least.
    at_least: Option<u64>,
}

/// Work that waits for a location, or that it is at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundWork {
    /// Of which order.
    order: OrderUlid,
    /// The code of who sells.
    seller: Option<String>,
    /// How far the location is.
    state: WorkStateName,
    /// Since when it has it.
    since: Time,
    /// Lines of the order.
    line_count: usize,
}

/// The work of a location, longest waiting first.
#[utoipa::path(get, path = "/v1/locations/{location}/work", tag = "fulfilment",
    params(WorkTerms, ("location" = String, Path, description = "The location's code.")),
    responses((status = 200, body = FoundPage<FoundWork>), Problems))]
async fn work(
    State(api): State<Api>,
    caller: Caller,
    At(location): At<String>,
    Asked(terms): Asked<WorkTerms>,
) -> Result<Json<FoundPage<FoundWork>>, Problem> {
    let location = api.location(caller.may(Area::WorkQueue)?, &location).await?;
    check_scope(&caller, None, Some(location))?;
    let (cursor, limit) = (cursor(terms.cursor.as_ref())?, terms.limit.map_or(PAGE_COUNT, Count::usize));
    let state: Option<WorkState> = terms.state.map(|state| state.0);
    let found = api
        .ask_models(terms.at_least, move |models| models.work(location, state, cursor.as_ref(), limit))
        .await?;
    let shown = |work: &orderline_readmodel::QueuedWork| FoundWork {
        order: Id(work.order.order),
        seller: api.names().seller_code(work.order.seller).map(|code| code.into_owned()),
        state: WorkStateName(work.state),
        since: Time(work.opened_at_us),
        line_count: work.order.lines.len(),
    };
    Ok(FoundPage::of(&found, shown))
}

/// Which returns.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReturnTerms {
    /// Only those that wait for somebody: to be approved, received or closed.
    #[serde(default)]
    waiting: bool,
    /// Only those in this state.
    state: Option<ReturnStateName>,
    /// The code of who sells.
    seller: Option<String>,
    /// Where the page before said that the next begins.
    cursor: Option<String>,
    /// Entries at most.
    #[param(minimum = 1, maximum = 500, value_type = Option<u32>)]
    limit: Option<Count<500>>,
    /// The answer speaks of this sequence at least.
    at_least: Option<u64>,
}

/// A return that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundReturn {
    /// Of which order.
    order: OrderUlid,
    /// Its number in its order, from 1.
    #[serde(rename = "return")]
    number: u16,
    /// How far it is.
    state: ReturnStateName,
    /// A package that came back undelivered.
    is_undelivered: bool,
    /// Units that are to come back, or that came; null: of a package, they are not known before it has come.
    units: Option<u32>,
    /// Who buys.
    buyer: u64,
    /// The code of who sells.
    seller: Option<String>,
    /// When it was asked for, or the package turned back, by recorded time.
    asked_at: Time,
    /// When something last happened to it.
    changed_at: Time,
}

/// Returns, the one asked for last first.
#[utoipa::path(get, path = "/v1/returns", tag = "returns", params(ReturnTerms),
    responses((status = 200, body = FoundPage<FoundReturn>), Problems))]
async fn returns(
    State(api): State<Api>,
    caller: Caller,
    Asked(terms): Asked<ReturnTerms>,
) -> Result<Json<FoundPage<FoundReturn>>, Problem> {
    let may = caller.may(Area::Orders)?;
    let mut filter = ReturnFilter {
        is_waiting: terms.waiting,
        state: terms.state.map(|state| state.0),
        ..ReturnFilter::default()
    };
    if let Some(code) = &terms.seller {
        filter.seller = Some(api.seller(may, code).await?);
    }
    if let Scope::Seller(own) = caller.grant.scope {
        filter.seller.get_or_insert(own);
    }
    check_scope(&caller, filter.seller, None)?;
    let (cursor, limit) = (cursor(terms.cursor.as_ref())?, terms.limit.map_or(PAGE_COUNT, Count::usize));
    let found =
        api.ask_models(terms.at_least, move |models| models.returns(&filter, cursor.as_ref(), limit)).await?;
    let shown = |of: &orderline_readmodel::FoundReturn| FoundReturn {
        order: Id(of.order.order),
        number: of.number,
        state: ReturnStateName(of.state),
        is_undelivered: of.is_undelivered,
        units: of.units,
        buyer: of.order.buyer.get(),
        seller: api.names().seller_code(of.order.seller).map(|code| code.into_owned()),
        asked_at: Time(of.asked_at_us),
        changed_at: Time(of.changed_at_us),
    };
    Ok(FoundPage::of(&found, shown))
}

/// The stock levels of a location, by SKU, each as the engine has it now.
#[utoipa::path(get, path = "/v1/locations/{location}/stock", tag = "stock",
    params(ListTerms, ("location" = String, Path, description = "The location's code.")),
    responses((status = 200, body = FoundPage<view::Level>), Problems))]
async fn levels(
    State(api): State<Api>,
    caller: Caller,
    At(location): At<String>,
    Asked(terms): Asked<ListTerms>,
) -> Result<Json<FoundPage<view::Level>>, Problem> {
    let location = api.location(caller.may(Area::Stock)?, &location).await?;
    // A seller may ask about any location: the engine tells it of its own SKUs alone.
    if !matches!(caller.grant.scope, Scope::Seller(_)) {
        check_scope(&caller, None, Some(location))?;
    }
    let (cursor, limit) = (cursor(terms.cursor.as_ref())?, terms.limit.map_or(PAGE_COUNT, Count::usize));
    let found = api
        .ask_models(terms.at_least, move |models| models.levels_at(location, cursor.as_ref(), limit))
        .await?;
    let mut queries = Commands::default();
    for level in &found.items {
        queries.push(&Command::QueryStock(&QueryStock { sku: level.sku, location }));
    }
    let replies = api.front().ask(caller.actor, queries).await?;
    let levels = replies.iter().filter_map(|reply| LevelView::read_all(reply.view).ok()?.first().copied());
    let shown = levels.map(|level| view::Level::of(api.names(), &level)).collect();
    Ok(FoundPage::with(&found, shown))
}

/// An entry of a seller's ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundEntry {
    /// The sequence of the event that made it.
    sequence: u64,
    /// When that was recorded.
    recorded_at: Time,
    /// When it happened outside, as the caller said.
    happened_at: Option<Time>,
    /// `sale`, `commission`, `refund`, `commission reversal` or `payout`.
    kind: &'static str,
    /// Of which order; of a payout none.
    order: Option<OrderUlid>,
    /// What it changes in what is owed to the seller, in minor units.
    amount_minor: i64,
    /// In which currency.
    currency: Currency,
    /// Its order is finished; false: it is accrued until then.
    is_payable: bool,
}

/// The entries of a seller's ledger, newest first.
#[utoipa::path(get, path = "/v1/sellers/{seller}/entries", tag = "payments",
    params(ListTerms, ("seller" = String, Path, description = "The seller's code.")),
    responses((status = 200, body = FoundPage<FoundEntry>), Problems))]
async fn entries(
    State(api): State<Api>,
    caller: Caller,
    At(seller): At<String>,
    Asked(terms): Asked<ListTerms>,
) -> Result<Json<FoundPage<FoundEntry>>, Problem> {
    let seller = api.seller(caller.may(Area::Ledger)?, &seller).await?;
    check_scope(&caller, Some(seller), None)?;
    let (cursor, limit) = (cursor(terms.cursor.as_ref())?, terms.limit.map_or(PAGE_COUNT, Count::usize));
    let found = api
        .ask_models(terms.at_least, move |models| models.ledger_entries(seller, cursor.as_ref(), limit))
        .await?;
    let shown = |entry: &orderline_readmodel::LedgerEntry| FoundEntry {
        sequence: entry.sequence,
        recorded_at: Time(entry.recorded_at_us),
        happened_at: Some(Time(entry.happened_at_us)).filter(|time| time.0 != 0),
        kind: entry.kind.name(),
        order: entry.order.map(Id),
        amount_minor: entry.kind.signed(entry.amount_minor),
        currency: Currency(entry.currency),
        is_payable: entry.is_payable,
    };
    Ok(FoundPage::of(&found, shown))
}
