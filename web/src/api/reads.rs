//! What the engine holds, read: orders, groups, reservations, levels, availability, ledgers, the catalogue, settings, the
//! transition table, the core's own figures.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orderline_json::view;
use orderline_protocol::command::{
    AskedSku, CommandKind, EntityKind, QueryAvailability, QueryCatalogue, QueryGroup, QueryLedger,
    QueryOrder, QueryReservation, QuerySettings, QueryStatus, QueryStock, QueryTransitions,
};
use orderline_protocol::limits::AVAILABILITY_SKUS_MAX;
use orderline_protocol::reply::{
    AvailabilityView, CatalogueEntry, GroupView, LedgerView, LevelView, OrderView, Reply, ReservationView,
    SettingsView, StatusView, TransitionView,
};
use orderline_protocol::{Command, CurrencyCode, LocationHandle, Malformed, OrderId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::carts::check_count;
use super::request::{Asked, At, Body, Caller};
use super::types::{Count, Currency, EntityName, GroupUlid, Id, OrderUlid, ReservationUlid};
use super::{Api, SEQUENCE, etag};
use crate::problem::{Problem, Problems};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(order))
        .routes(routes!(group))
        .routes(routes!(reservation))
        .routes(routes!(levels))
        .routes(routes!(level))
        .routes(routes!(availability))
        .routes(routes!(ledger))
        .routes(routes!(sellers))
        .routes(routes!(seller))
        .routes(routes!(locations))
        .routes(routes!(location))
        .routes(routes!(skus))
        .routes(routes!(sku))
        .routes(routes!(settings))
        .routes(routes!(transitions))
        .routes(routes!(status))
        .routes(routes!(ids))
}

/// Something that was read, with the sequence that it speaks of and the version that it has.
pub(crate) struct Seen<T> {
    pub(crate) value: T,
    pub(crate) sequence: u64,
    pub(crate) version: u32,
}

impl<T> Seen<T> {
    fn of(reply: &Reply<'_>, value: T) -> Self {
        Self { value, sequence: reply.header.sequence.get(), version: reply.header.version.get() }
    }
}

impl<T: Serialize> IntoResponse for Seen<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.value).into_response();
        let headers = response.headers_mut();
        headers.insert(SEQUENCE, self.sequence.into());
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.version > 0 {
            headers.insert(header::ETAG, etag(self.version));
        }
        response
    }
}

type Read<T> = Result<Seen<T>, Problem>;

/// On what terms something is read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Terms {
    /// The answer speaks of this sequence at least: of everything that the caller has seen.
    pub(super) at_least: Option<u64>,
}

impl Terms {
    /// Whichever sequence it is at.
    pub(super) const ANY: Self = Self { at_least: None };
}

/// A view that the engine wrote and that cannot be read is the engine's fault.
pub(super) fn readable<T>(read: Result<T, Malformed>) -> Result<T, Problem> {
    read.map_err(|error| {
        let title = "The engine's answer cannot be read.";
        Problem::broken("UnreadableAnswer", title, error.to_string())
    })
}

/// An order with all its parts, as the engine holds it.
#[utoipa::path(get, path = "/v1/orders/{order}", tag = "orders",
    params(Terms, ("order" = OrderUlid, Path, description = "The order's id.")),
    responses((status = 200, body = view::Order), Problems))]
async fn order(
    State(api): State<Api>,
    caller: Caller,
    At(order): At<OrderUlid>,
    Asked(terms): Asked<Terms>,
) -> Read<view::Order> {
    let replies = api.query(&caller, &terms, &Command::QueryOrder(&QueryOrder { order: order.0 })).await?;
    let reply = replies.first();
    let parts = readable(OrderView::read(reply.view))?;
    Ok(Seen::of(&reply, view::Order::of(api.names(), reply.header, &parts)))
}

/// A group of orders and its payment.
#[utoipa::path(get, path = "/v1/groups/{group}", tag = "checkout",
    params(Terms, ("group" = GroupUlid, Path, description = "The group's id; of an order placed alone, the order's own.")),
    responses((status = 200, body = view::Group), Problems))]
async fn group(
    State(api): State<Api>,
    caller: Caller,
    At(group): At<GroupUlid>,
    Asked(terms): Asked<Terms>,
) -> Read<view::Group> {
    let replies = api.query(&caller, &terms, &Command::QueryGroup(&QueryGroup { group: group.0 })).await?;
    let reply = replies.first();
    let (head, orders) = readable(GroupView::read(reply.view))?;
    Ok(Seen::of(&reply, view::Group::of(api.names(), reply.header.version.get(), head, orders)))
}

/// A reservation.
#[utoipa::path(get, path = "/v1/reservations/{reservation}", tag = "checkout",
    params(Terms, ("reservation" = ReservationUlid, Path, description = "The reservation's id.")),
    responses((status = 200, body = view::Reservation), Problems))]
async fn reservation(
    State(api): State<Api>,
    caller: Caller,
    At(reservation): At<ReservationUlid>,
    Asked(terms): Asked<Terms>,
) -> Read<view::Reservation> {
    let query = QueryReservation { reservation: reservation.0 };
    let replies = api.query(&caller, &terms, &Command::QueryReservation(&query)).await?;
    let reply = replies.first();
    let (head, lines, allocations) = readable(ReservationView::read(reply.view))?;
    let version = reply.header.version.get();
    Ok(Seen::of(&reply, view::Reservation::of(api.names(), version, head, lines, allocations)))
}

/// A SKU's stock.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stock {
    /// The SKU's code.
    sku: String,
    /// Available over all locations; below zero: a shortage.
    available: i64,
    /// Its levels, by location.
    levels: Vec<view::Level>,
}

/// The levels of a SKU at all locations.
#[utoipa::path(get, path = "/v1/stock/{sku}", tag = "stock",
    params(Terms, ("sku" = String, Path, description = "The SKU's code.")),
    responses((status = 200, body = Stock), Problems))]
async fn levels(
    State(api): State<Api>,
    caller: Caller,
    At(sku): At<String>,
    Asked(terms): Asked<Terms>,
) -> Read<Stock> {
    let may = caller.may(CommandKind::QueryStock)?;
    let query = QueryStock { sku: api.sku(may, &sku).await?, location: LocationHandle::NONE };
    let replies = api.query(&caller, &terms, &Command::QueryStock(&query)).await?;
    let reply = replies.first();
    let levels = readable(LevelView::read_all(reply.view))?;
    let levels = levels.iter().map(|level| view::Level::of(api.names(), level)).collect();
    let available = reply.header.detail.get() as i64;
    Ok(Seen { version: 0, ..Seen::of(&reply, Stock { sku, available, levels }) })
}

/// One level.
#[utoipa::path(get, path = "/v1/stock/{sku}/{location}", tag = "stock",
    params(Terms, ("sku" = String, Path, description = "The SKU's code."),
        ("location" = String, Path, description = "The location's code.")),
    responses((status = 200, body = view::Level), Problems))]
async fn level(
    State(api): State<Api>,
    caller: Caller,
    At((sku, location)): At<(String, String)>,
    Asked(terms): Asked<Terms>,
) -> Read<view::Level> {
    let may = caller.may(CommandKind::QueryStock)?;
    let query = QueryStock { sku: api.sku(may, &sku).await?, location: api.location(may, &location).await? };
    let replies = api.query(&caller, &terms, &Command::QueryStock(&query)).await?;
    let reply = replies.first();
    let levels = readable(LevelView::read_all(reply.view))?;
    let Some(level) = levels.first() else {
        let detail = format!("The SKU {sku:?} has never had stock at {location:?}.");
        return Err(Problem::new(StatusCode::NOT_FOUND, "UnknownLevel", "There is no such level.", detail));
    };
    Ok(Seen { version: level.version.get(), ..Seen::of(&reply, view::Level::of(api.names(), level)) })
}

/// SKUs that are asked about.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AvailabilityQuestion {
    /// Their codes.
    #[schema(min_items = 1, max_items = 500)]
    skus: Vec<String>,
}

/// What can be bought of some SKUs, in the order in which they were asked for.
#[utoipa::path(post, path = "/v1/availability", tag = "stock", request_body = AvailabilityQuestion, params(Terms),
    responses((status = 200, body = Vec<view::Availability>), Problems))]
async fn availability(
    State(api): State<Api>,
    caller: Caller,
    Asked(terms): Asked<Terms>,
    Body(body): Body<AvailabilityQuestion>,
) -> Read<Vec<view::Availability>> {
    let may = caller.may(CommandKind::QueryAvailability)?;
    check_count("skus", body.skus.len(), AVAILABILITY_SKUS_MAX)?;
    let codes: Vec<&str> = body.skus.iter().map(String::as_str).collect();
    let skus = api.skus_of(may, &codes, |at| format!("skus[{at}]")).await?;
    let asked: Vec<AskedSku> = skus.iter().map(|&sku| AskedSku { sku }).collect();
    let head = QueryAvailability { sku_count: (asked.len() as u16).into(), reserved: [0; 2] };
    let replies = api.query(&caller, &terms, &Command::QueryAvailability(&head, &asked)).await?;
    let reply = replies.first();
    let views = readable(AvailabilityView::read_all(reply.view))?;
    let all = skus.iter().zip(views).map(|(&sku, view)| view::Availability::of(api.names(), sku, view));
    Ok(Seen { version: 0, ..Seen::of(&reply, all.collect()) })
}

/// What is owed to a seller in a currency: sums. The entries are in the journal.
#[utoipa::path(get, path = "/v1/sellers/{seller}/ledgers/{currency}", tag = "payments",
    params(Terms, ("seller" = String, Path, description = "The seller's code."),
        ("currency" = Currency, Path, description = "The currency.")),
    responses((status = 200, body = view::Ledger), Problems))]
async fn ledger(
    State(api): State<Api>,
    caller: Caller,
    At((seller, currency)): At<(String, Currency)>,
    Asked(terms): Asked<Terms>,
) -> Read<view::Ledger> {
    let may = caller.may(CommandKind::QueryLedger)?;
    let currency: CurrencyCode = currency.0;
    let query = QueryLedger { seller: api.seller(may, &seller).await?, currency, reserved: [0; 2] };
    let replies = api.query(&caller, &terms, &Command::QueryLedger(&query)).await?;
    let reply = replies.first();
    let ledger = readable(LedgerView::read(reply.view))?;
    Ok(Seen::of(&reply, view::Ledger::of(api.names(), reply.header.version.get(), ledger)))
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageTerms {
    /// Where the page before said that the next begins.
    cursor: Option<u32>,
    /// Entries at most.
    #[param(minimum = 1, maximum = 500, value_type = Option<u32>)]
    limit: Option<Count<500>>,
}

impl PageTerms {
    /// The number that the page begins with.
    pub(super) fn first(&self) -> u32 {
        self.cursor.unwrap_or(0)
    }

    /// Entries at most.
    pub(super) fn count(&self) -> u32 {
        self.limit.map_or(PAGE_COUNT, |limit| limit.0)
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The entries.
    items: Vec<T>,
    /// Where the next page begins; null behind the last.
    next: Option<u32>,
}

impl<T> Page<T> {
    /// A page out of a reply whose detail is where the next one begins.
    pub(super) fn seen(reply: &Reply<'_>, items: Vec<T>) -> Seen<Self> {
        let next = Some(reply.header.detail.get() as u32).filter(|&next| next > 0);
        Seen { version: 0, ..Seen::of(reply, Self { items, next }) }
    }
}

/// Entries of a page where nobody says how many.
const PAGE_COUNT: u32 = 100;

impl Api {
    async fn page<T>(
        &self,
        caller: &Caller,
        kind: EntityKind,
        terms: &PageTerms,
        of: impl Fn(&CatalogueEntry) -> T,
    ) -> Read<Page<T>> {
        let head = QueryCatalogue {
            from: terms.first().into(),
            count: terms.count().into(),
            entity: kind as u8,
            reserved: [0; 7],
        };
        let replies = self.query(caller, &Terms::ANY, &Command::QueryCatalogue(&head)).await?;
        let reply = replies.first();
        let items = readable(CatalogueEntry::read_all(reply.view))?.iter().map(of).collect();
        Ok(Page::seen(&reply, items))
    }

    async fn entry<T>(
        &self,
        caller: &Caller,
        kind: EntityKind,
        code: &str,
        terms: &Terms,
        of: impl Fn(&CatalogueEntry) -> T,
    ) -> Read<T> {
        caller.may(CommandKind::QueryCatalogue)?;
        let from = self.in_path(kind, code).await?;
        let head =
            QueryCatalogue { from: from.into(), count: 1.into(), entity: kind as u8, reserved: [0; 7] };
        let replies = self.query(caller, terms, &Command::QueryCatalogue(&head)).await?;
        let reply = replies.first();
        let entry = readable(CatalogueEntry::read_all(reply.view))?.first();
        let entry = entry.ok_or_else(|| Problem::unknown(kind.name(), code))?;
        Ok(Seen { version: entry.version.get(), ..Seen::of(&reply, of(entry)) })
    }
}

/// All sellers, in the order in which they were defined.
#[utoipa::path(get, path = "/v1/sellers", tag = "catalogue", params(PageTerms),
    responses((status = 200, body = Page<view::Seller>), Problems))]
async fn sellers(
    State(api): State<Api>,
    caller: Caller,
    Asked(terms): Asked<PageTerms>,
) -> Read<Page<view::Seller>> {
    api.page(&caller, EntityKind::Seller, &terms, view::Seller::of).await
}

/// A seller.
#[utoipa::path(get, path = "/v1/sellers/{seller}", tag = "catalogue",
    params(Terms, ("seller" = String, Path, description = "The seller's code.")),
    responses((status = 200, body = view::Seller), Problems))]
async fn seller(
    State(api): State<Api>,
    caller: Caller,
    At(code): At<String>,
    Asked(terms): Asked<Terms>,
) -> Read<view::Seller> {
    api.entry(&caller, EntityKind::Seller, &code, &terms, view::Seller::of).await
}

/// All locations, in the order in which they were defined.
#[utoipa::path(get, path = "/v1/locations", tag = "catalogue", params(PageTerms),
    responses((status = 200, body = Page<view::Location>), Problems))]
async fn locations(
    State(api): State<Api>,
    caller: Caller,
    Asked(terms): Asked<PageTerms>,
) -> Read<Page<view::Location>> {
    api.page(&caller, EntityKind::Location, &terms, view::Location::of).await
}

/// A location.
#[utoipa::path(get, path = "/v1/locations/{location}", tag = "catalogue",
    params(Terms, ("location" = String, Path, description = "The location's code.")),
    responses((status = 200, body = view::Location), Problems))]
async fn location(
    State(api): State<Api>,
    caller: Caller,
    At(code): At<String>,
    Asked(terms): Asked<Terms>,
) -> Read<view::Location> {
    api.entry(&caller, EntityKind::Location, &code, &terms, view::Location::of).await
}

/// All SKUs, in the order in which they were defined.
#[utoipa::path(get, path = "/v1/skus", tag = "catalogue", params(PageTerms),
    responses((status = 200, body = Page<view::Sku>), Problems))]
async fn skus(
    State(api): State<Api>,
    caller: Caller,
    Asked(terms): Asked<PageTerms>,
) -> Read<Page<view::Sku>> {
    api.page(&caller, EntityKind::Sku, &terms, |entry| view::Sku::of(api.names(), entry)).await
}

/// A SKU.
#[utoipa::path(get, path = "/v1/skus/{sku}", tag = "catalogue",
    params(Terms, ("sku" = String, Path, description = "The SKU's code.")),
    responses((status = 200, body = view::Sku), Problems))]
async fn sku(
    State(api): State<Api>,
    caller: Caller,
    At(code): At<String>,
    Asked(terms): Asked<Terms>,
) -> Read<view::Sku> {
    api.entry(&caller, EntityKind::Sku, &code, &terms, |entry| view::Sku::of(api.names(), entry)).await
}

/// Policies and sourcing rules. The `ETag` is the policies' version.
#[utoipa::path(get, path = "/v1/settings", tag = "catalogue", params(Terms),
    responses((status = 200, body = view::Settings), Problems))]
async fn settings(
    State(api): State<Api>,
    caller: Caller,
    Asked(terms): Asked<Terms>,
) -> Read<view::Settings> {
    let replies =
        api.query(&caller, &terms, &Command::QuerySettings(&QuerySettings { reserved: [0; 8] })).await?;
    let reply = replies.first();
    let (head, sourcing) = readable(SettingsView::read(reply.view))?;
    let settings = view::Settings::of(api.names(), head, sourcing);
    Ok(Seen { version: head.version.get(), ..Seen::of(&reply, settings) })
}

/// Which part of the table.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TransitionTerms {
    /// Only this entity's rows, such as `order`, `fulfilment order` or `payment`.
    #[param(inline)]
    entity: Option<EntityName>,
}

/// The transition table: what may be done with which entity in which state, and where that can lead.
#[utoipa::path(get, path = "/v1/transitions", tag = "service", params(TransitionTerms),
    responses((status = 200, body = Vec<view::Transition>), Problems))]
async fn transitions(
    State(api): State<Api>,
    caller: Caller,
    Asked(terms): Asked<TransitionTerms>,
) -> Read<Vec<view::Transition>> {
    let entity = terms.entity.map_or(0, |entity| entity.0 as u8);
    let query = QueryTransitions { entity, reserved: [0; 7] };
    let replies = api.query(&caller, &Terms::ANY, &Command::QueryTransitions(&query)).await?;
    let reply = replies.first();
    let rows = readable(TransitionView::read_all(reply.view))?;
    Ok(Seen::of(&reply, rows.iter().map(view::Transition::of).collect()))
}

/// The core's own figures.
#[utoipa::path(get, path = "/v1/status", tag = "service", params(Terms),
    responses((status = 200, body = view::Status), Problems))]
async fn status(State(api): State<Api>, caller: Caller, Asked(terms): Asked<Terms>) -> Read<view::Status> {
    let query = QueryStatus { with_state_hash: 0, reserved: [0; 7] };
    let replies = api.query(&caller, &terms, &Command::QueryStatus(&query)).await?;
    let reply = replies.first();
    Ok(Seen::of(&reply, view::Status::of(readable(StatusView::read(reply.view))?)))
}

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct IdTerms {
    /// How many ids; 1 if it is not said.
    #[param(minimum = 1, maximum = 1000, value_type = Option<u32>)]
    count: Option<Count<1_000>>,
}

/// New ids for orders, groups and reservations, for callers that have no maker of ULIDs at hand. Each is given out once.
#[utoipa::path(get, path = "/v1/ids", tag = "service", params(IdTerms), security(()),
    responses((status = 200, body = Vec<OrderUlid>), Problems))]
async fn ids(Asked(terms): Asked<IdTerms>) -> Json<Vec<OrderUlid>> {
    let count = terms.count.map_or(1, |count| count.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let id = |_| Id(OrderId::from_parts(now.as_millis() as u64, rand::random()));
    Json((0..count).map(id).collect())
}
