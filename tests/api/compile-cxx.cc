// compile-cxx.cc - a C++ program uses every public header and links.
#include <all.h> // made by meson.build: every header
#include <cstdio>

int main()
{
    pome_error err{};
    pome_config *c = pome_config_new();
    pome_start_options o = POME_START_OPTIONS_INIT;
    pome_stop_options s = POME_STOP_OPTIONS_INIT;
    bool valid = pome_config_validate(c, nullptr, nullptr, &err); // there is nothing to boot
    pome_config_free(c);
    std::printf("%s: %s\n", pome_error_name(err.code), err.message);
    return valid || err.code != POME_ERROR_INVALID_CONFIGURATION || o.size != sizeof o || s.size != sizeof s;
}
