/* test_image.h - small restore images for tests, right and wrong ones. Not part of the library. */
#ifndef RESTORE_TEST_IMAGE_H
#define RESTORE_TEST_IMAGE_H

#include <pome/error.h>

#include <stddef.h>
#include <stdint.h>

enum {
    TEST_KERNEL_BYTES = 3000000,
    TEST_RAMDISK_BYTES = 1234567,
    TEST_RECOVERY_BYTES = 2000001,
    TEST_OS_BYTES = 24 << 20,
};

/* What stands at a place of the test's parts: noise, with long stretches of zeroes in the OS. */
uint8_t test_byte(unsigned seed, uint64_t at);
enum { SEED_KERNEL = 1, SEED_RAMDISK = 2, SEED_RECOVERY = 3, SEED_OS = 4 };

/* Writes a restore image of such parts. dir is a folder for what is made on the way. */
bool test_image_make(const char *dir, const char *path, struct pome_error *err);

/* Copies an image member by member. change may alter a member (bytes[0..*n), room for 64 more), return false to leave it out. */
typedef bool test_change(void *user, const char *member, uint8_t *bytes, size_t *n);
bool test_image_rewrite(const char *from, const char *to, test_change *change, void *user, struct pome_error *err);

#endif
