// The D-Bus functions that libpcap calls, each of which fails.
//
// Debian's libpcap.a can capture from D-Bus (its devices dbus-system and dbus-session), so whoever links it statically
// needs libdbus-1.a, which needs libsystemd, of which Debian has no static library. hoptap never captures from D-Bus:
// its devices are names of network interfaces. With these, opening a D-Bus device says that there is none, and nothing
// else of libpcap is touched. dbus_bus_get and dbus_connection_open are libpcap's only ways in; what it would call
// behind them is never reached, and only has to be there for the linker.
//
// The declarations are our own: no header of D-Bus is needed to build. C linkage knows no types, only names.
#include <cstdint>

extern "C" {

// Both give no connection: libpcap then reports that it could not get one.
void* dbus_bus_get(int, void*) { return nullptr; }
void* dbus_connection_open(const char*, void*) { return nullptr; }

std::uint32_t dbus_bus_register(void*, void*) { return 0; }
void dbus_bus_add_match(void*, const char*, void*) {}
void dbus_connection_flush(void*) {}
void* dbus_connection_pop_message(void*) { return nullptr; }
std::uint32_t dbus_connection_read_write(void*, int) { return 0; }
std::uint32_t dbus_connection_send(void*, void*, std::uint32_t*) { return 0; }
void dbus_connection_set_max_received_size(void*, long) {}
void dbus_connection_unref(void*) {}
void dbus_error_free(void*) {}
std::uint32_t dbus_error_is_set(const void*) { return 1; }
void dbus_free(void*) {}
void* dbus_message_demarshal(const char*, int, void*) { return nullptr; }
std::uint32_t dbus_message_is_signal(void*, const char*, const char*) { return 0; }
std::uint32_t dbus_message_marshal(void*, char**, int*) { return 0; }
void dbus_message_unref(void*) {}

}  // extern "C"
