/* installed_check.h - for tests: is an installed machine what the test's image makes? Asserts of cmocka; outside a test they end the process. */
#ifndef RESTORE_INSTALLED_CHECK_H
#define RESTORE_INSTALLED_CHECK_H

#include "bundle/bundle.h"

void installed_check_disk(struct bundle *b); /* partition map, OS image, boot sets, tickets */
void installed_check_aux(struct bundle *b);  /* flash, firmware, NVRAM */

#endif
