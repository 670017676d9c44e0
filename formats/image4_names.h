/* image4_names.h - what the four-character codes of Image4 stand for. */
#ifndef FORMATS_IMAGE4_NAMES_H
#define FORMATS_IMAGE4_NAMES_H

/* "kernel cache" of an image's type "krnl", "board" of a property "BORD". NULL: not known. Static. */
const char *image4_type_name(const char *type);
const char *image4_property_name(const char *name);

#endif
