// Names of enumerations that forms offer. They are the API's, and a test compares them with its description.

export const ORDER_STATES = ["pending", "confirmed", "completed", "cancelled", "expired"];
export const RETURN_STATES = ["requested", "approved", "declined", "received", "closed", "cancelled"];
export const WORK_STATES = ["open", "accepted", "in progress", "on hold", "closed", "rejected", "cancelled"];
export const HOLD_KINDS = ["fraud", "address", "payment", "manual"];
export const HOLD_BLOCKS = ["confirm", "fulfil", "cancel", "edit", "capture", "refund"];
export const BUCKETS = ["available", "safety", "damaged", "quality hold", "incoming"];
export const STANDINGS = ["active", "inactive"];
export const SOURCING_RULES = ["fewest packages", "same region", "priority", "capacity"];
export const ROLES = ["operator", "seller", "warehouse", "support", "analyst", "read-only"];
