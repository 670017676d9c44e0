/* installed_check.h - for tests: is an installed machine what the test's image makes? Asserts of cmocka; outside a test they end the process. */
#ifndef RESTORE_INSTALLED_CHECK_H
#define RESTORE_INSTALLED_CHECK_H

#include "bundle/bundle.h"

/* Partition map, OS image, boot sets, tickets. both_maps: else one of its copies is enough, as after a resize that was cut off. */
void installed_check_disk(struct bundle *b, bool both_maps);
void installed_check_aux(struct bundle *b); /* flash, firmware, NVRAM */

#endif
