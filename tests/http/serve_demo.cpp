// Serves the traces of the demo: prints the URL and ends when standard input does. For openapi_test.py and for trying.
#include <cstdio>

#include "appliance/http/server.h"
#include "fixture.h"

int main() {
  const hoptap::testing::TestFolder folder;
  const hoptap::testing::DemoRun run = hoptap::testing::demo_run();
  const auto store = hoptap::testing::demo_store(folder.path(), run);
  if (store == nullptr) return 1;
  hoptap::appliance::HttpServerConfig config;
  config.port = 0;
  hoptap::appliance::HttpSources sources;
  sources.store = store.get();
  auto server = hoptap::appliance::HttpServer::start(config, sources);
  if (!server) {
    std::fprintf(stderr, "%s\n", server.error().what.c_str());
    return 1;
  }
  std::printf("%s\n", (*server)->url().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
