#include "export/store/schema.h"

#include <fmt/format.h>

#include "export/store/store.h"

namespace hoptap::exporting {
namespace {

constexpr std::int64_t kApplication = 0x686f7074;  // "hopt", in the file's header

// What has to be said before there are tables.
constexpr const char* kLayout = R"(
PRAGMA page_size = 8192;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
)";

constexpr const char* kTables = R"(
CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);

CREATE TABLE probe(
  id INTEGER PRIMARY KEY, instance TEXT NOT NULL UNIQUE, name TEXT NOT NULL, software TEXT NOT NULL,
  last_sequence INTEGER NOT NULL, batches INTEGER NOT NULL, records INTEGER NOT NULL, gaps INTEGER NOT NULL);

CREATE TABLE inbox(
  id INTEGER PRIMARY KEY AUTOINCREMENT, probe INTEGER NOT NULL, sequence INTEGER NOT NULL, records INTEGER NOT NULL,
  coding TEXT NOT NULL, done BLOB NOT NULL, payload BLOB NOT NULL);

CREATE TABLE path(
  id INTEGER PRIMARY KEY, signature INTEGER NOT NULL, points TEXT NOT NULL, UNIQUE(signature, points));
CREATE INDEX path_points ON path(points);
CREATE TABLE path_point(point INTEGER NOT NULL, path INTEGER NOT NULL, PRIMARY KEY(point, path)) WITHOUT ROWID;

CREATE TABLE trace(
  n INTEGER PRIMARY KEY, id INTEGER NOT NULL, start_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL,
  path INTEGER NOT NULL, protocol INTEGER NOT NULL, endpoint INTEGER NOT NULL, method INTEGER NOT NULL,
  status INTEGER, verdict INTEGER NOT NULL, slow_from INTEGER NOT NULL, slow_to INTEGER NOT NULL,
  flags INTEGER NOT NULL, hops INTEGER NOT NULL, revision INTEGER NOT NULL, final INTEGER NOT NULL,
  digest INTEGER NOT NULL, resource TEXT NOT NULL);
CREATE UNIQUE INDEX trace_id ON trace(id);
CREATE INDEX trace_start ON trace(start_ns, id);
CREATE INDEX trace_path ON trace(path, start_ns, id);
CREATE INDEX trace_endpoint ON trace(endpoint, start_ns, id);
CREATE INDEX trace_status ON trace(status, start_ns, id) WHERE status >= 400;
CREATE INDEX trace_verdict ON trace(verdict, start_ns, id) WHERE verdict > 0;
CREATE INDEX trace_slow ON trace(slow_from, slow_to, start_ns, id) WHERE slow_to > 0;
CREATE INDEX trace_open ON trace(n) WHERE final = 0;
CREATE TABLE body(n INTEGER PRIMARY KEY, encoded BLOB NOT NULL);
CREATE TABLE alias(old INTEGER PRIMARY KEY, new INTEGER NOT NULL);
CREATE INDEX alias_new ON alias(new);

CREATE TABLE window(start_ns INTEGER PRIMARY KEY, end_ns INTEGER NOT NULL, verdict BLOB NOT NULL);

CREATE TABLE segment(
  bucket_start_ns INTEGER NOT NULL, bucket_ns INTEGER NOT NULL, kind INTEGER NOT NULL, source INTEGER NOT NULL,
  target INTEGER NOT NULL, request_copies_lost INTEGER NOT NULL, response_copies_lost INTEGER NOT NULL,
  losses REAL NOT NULL, times BLOB NOT NULL,
  PRIMARY KEY(bucket_start_ns, bucket_ns, kind, source, target)) WITHOUT ROWID;

CREATE TABLE point(
  name INTEGER NOT NULL, probe INTEGER NOT NULL, role INTEGER NOT NULL, completeness_to_server REAL,
  completeness_to_client REAL, first_ns INTEGER NOT NULL, reached_ns INTEGER NOT NULL, hops INTEGER NOT NULL,
  legs INTEGER NOT NULL, packets INTEGER NOT NULL, lost_packets INTEGER, clock_rate REAL NOT NULL,
  clock_offset_ns INTEGER, clock_bound_ns INTEGER, towards_client TEXT NOT NULL, towards_server TEXT NOT NULL,
  PRIMARY KEY(name, probe)) WITHOUT ROWID;

CREATE TABLE leg(
  point INTEGER NOT NULL, leg_id INTEGER NOT NULL, first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
  client TEXT NOT NULL, server TEXT NOT NULL, transport INTEGER NOT NULL, protocol INTEGER NOT NULL,
  close INTEGER NOT NULL, flags INTEGER NOT NULL, exchanges INTEGER NOT NULL, handshake_ns INTEGER,
  bytes_to_server INTEGER NOT NULL, bytes_to_client INTEGER NOT NULL,
  retransmissions_to_server INTEGER NOT NULL, retransmissions_to_client INTEGER NOT NULL,
  unseen_bytes_to_server INTEGER NOT NULL, unseen_bytes_to_client INTEGER NOT NULL,
  PRIMARY KEY(point, leg_id)) WITHOUT ROWID;
CREATE INDEX leg_last ON leg(last_ns);
)";

// What came with schema 2.
constexpr const char* kMetrics = R"(
CREATE TABLE metrics(
  length_ns INTEGER NOT NULL, start_ns INTEGER NOT NULL, point INTEGER NOT NULL, scope INTEGER NOT NULL,
  server TEXT NOT NULL, server_port INTEGER NOT NULL, protocol INTEGER NOT NULL, transport INTEGER NOT NULL,
  client TEXT NOT NULL, tags INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY(length_ns, start_ns, point, scope, server, server_port, protocol, transport, client, tags)) WITHOUT ROWID;
)";

// What came with schema 3.
constexpr const char* kStamps = "ALTER TABLE point ADD COLUMN stamps TEXT NOT NULL DEFAULT '';";

// What came with schema 4: process.pid, process.executable.name and container.id of both ends; 0 and '': not known.
constexpr const char* kProcesses = R"(
ALTER TABLE leg ADD COLUMN client_pid INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leg ADD COLUMN client_executable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leg ADD COLUMN client_container TEXT NOT NULL DEFAULT '';
ALTER TABLE leg ADD COLUMN server_pid INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leg ADD COLUMN server_executable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE leg ADD COLUMN server_container TEXT NOT NULL DEFAULT '';
)";

}  // namespace

base::Outcome<void> prepare_schema(SqliteConnection& connection, const std::string& file) {
  const SqliteSignature found = connection.signature();
  if (auto read = connection.outcome("read the database"); !read) return read;
  if (found.empty) {
    connection.execute(kLayout);
    return connection.transaction("set up the database", [&] {
      connection.execute(kTables);
      connection.execute(kMetrics);
      connection.execute(kStamps);
      connection.execute(kProcesses);
      connection.execute(
          fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplication, Store::kSchemaVersion)
              .c_str());
    });
  }
  if (found.application != kApplication) {
    return tl::unexpected(base::Failure{
        fmt::format("{} is a database, but not one of hoptap's; give the tracer a folder of its own", file)});
  }
  if (found.version > Store::kSchemaVersion) {
    return tl::unexpected(base::Failure{
        fmt::format("{} was written by a newer hoptap (schema {}, this one knows {}); start that one, or give this one "
                    "another folder",
                    file, found.version, Store::kSchemaVersion)});
  }
  if (found.version == Store::kSchemaVersion) return {};
  return connection.transaction("bring the database up to date", [&] {
    if (found.version < 2) connection.execute(kMetrics);
    if (found.version < 3) connection.execute(kStamps);
    if (found.version < 4) connection.execute(kProcesses);
    connection.execute(fmt::format("PRAGMA user_version = {}", Store::kSchemaVersion).c_str());
  });
}

}  // namespace hoptap::exporting
