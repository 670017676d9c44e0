/*
 * aml.h - writes ACPI machine language, as much of it as a description of devices needs (ACPI 6.5, chapters 19 and 20; resources 6.4).
 *
 * The writer remembers that it ran out of memory; aml_bytes is asked at the end.
 */
#ifndef MACHINE_AML_H
#define MACHINE_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
    uint8_t *bytes;
    size_t n, room;
    bool failed;
};

void aml_free(struct aml *a);
void aml_put(struct aml *a, const void *bytes, size_t n);
void aml_byte(struct aml *a, uint8_t byte);

/* Something with a length: begins it; the number goes to aml_end when all that is inside was written. Names have four characters. */
size_t aml_scope(struct aml *a, const char *path); /* "\\_SB_" */
size_t aml_device(struct aml *a, const char *name);
size_t aml_method(struct aml *a, const char *name, unsigned args);
size_t aml_package(struct aml *a, unsigned n); /* of n elements */
size_t aml_if(struct aml *a);                  /* the predicate comes first */
size_t aml_else(struct aml *a);
void aml_end(struct aml *a, size_t begun);

void aml_integer(struct aml *a, uint64_t v);
void aml_string(struct aml *a, const char *s);
void aml_name(struct aml *a, const char *name); /* Name (name, what follows) */
void aml_name_integer(struct aml *a, const char *name, uint64_t v);
void aml_name_string(struct aml *a, const char *name, const char *s);
void aml_name_eisa(struct aml *a, const char *name, const char *id); /* "PNP0A08" */

/* Name (_CRS, ResourceTemplate () { ... }), and the same with _AEI; aml_crs_end ends both. */
size_t aml_crs(struct aml *a);
size_t aml_events(struct aml *a);
void aml_crs_end(struct aml *a, size_t begun);
void aml_memory(struct aml *a, uint32_t gpa, uint32_t bytes);   /* Memory32Fixed (ReadWrite) */
void aml_interrupt(struct aml *a, uint32_t gsiv);               /* Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) */
void aml_edge_interrupt(struct aml *a, uint32_t gsiv);          /* the same, Edge */
void aml_bus_numbers(struct aml *a, uint16_t first, uint16_t n);
enum aml_window { AML_WINDOW_MEMORY = 0, AML_WINDOW_IO = 1 };
void aml_window(struct aml *a, enum aml_window kind, uint32_t first, uint32_t n, uint32_t translation); /* of a bridge */
void aml_gpio_interrupt(struct aml *a, uint16_t pin, const char *controller); /* GpioInt (Edge, ActiveHigh, ExclusiveAndWake, PullUp) */

#endif
