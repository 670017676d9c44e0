/* device.h - the inside of pome/device.h. */
#ifndef API_DEVICE_H
#define API_DEVICE_H

#include <pome/device.h>

#include "base/findings.h"

enum { CONFIG_MAX_OBJECTS = 64 };

/* What a configuration was given as objects. */
struct config_objects {
    pome_device *devices[CONFIG_MAX_OBJECTS];
    size_t n_devices;
    bool apple_platform, restore_image_loader;
};

void config_objects_free(struct config_objects *o);

/* Names what cannot be had. False when there is anything. */
bool config_objects_check(const struct config_objects *o, struct findings *out);

#endif
