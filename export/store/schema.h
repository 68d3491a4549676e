// The tables of the tracer's database, see docs/formats/store.md. Private to export/store/.
#pragma once

#include "base/result.h"
#include "export/sqlite/sqlite.h"

namespace hoptap::exporting {

/// Sets up an empty file, or checks that the file is one of ours of a version that we can use.
[[nodiscard]] base::Outcome<void> prepare_schema(SqliteConnection& connection, const std::string& file);

}  // namespace hoptap::exporting
