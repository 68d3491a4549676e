// From a live flow to what its records say of it.
#pragma once

#include "flowtable/table_context.h"

namespace hoptap::flowtable {

/// The address and port of one end of the flow's key: 0 low, 1 high.
base::Endpoint endpoint_of(const Flow& flow, std::size_t end, const TableContext& context);

/// The point, the leg and its addresses.
void identify(HopRecord& record, const Flow& flow, const TableContext& context);

/// Needs the flow's ledger, if it has one, closed.
LegRecord leg_record(const Flow& flow, const Ledger* ledger, CloseType reason, const TableContext& context);

/// The same end in more words.
CloseReason close_reason(const Flow& flow, const Ledger* ledger, CloseType reason);

}  // namespace hoptap::flowtable
