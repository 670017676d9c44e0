/* image4_names.c - two tables. */
#include "formats/image4_names.h"
#include "base/bits.h"

struct name {
    char code[5];
    const char *text;
};

static const struct name types[] = {
    {"MANB", "manifest body"}, {"MANP", "manifest properties"}, {"OBJP", "object properties"},
    {"illb", "low-level boot loader"}, {"ibot", "iBoot"}, {"ibss", "iBSS (DFU, first stage)"}, {"ibec", "iBEC (DFU, second stage)"},
    {"ibdt", "iBoot data"}, {"ibd1", "iBoot data, stage 1"},
    {"krnl", "kernel cache"}, {"rkrn", "kernel cache for restoring"}, {"dtre", "device tree"}, {"rdtr", "device tree for restoring"},
    {"rdsk", "ramdisk for restoring"}, {"rrdk", "Recovery's ramdisk"}, {"kcmd", "kernel command line"}, {"rcmd", "Recovery's kernel command line"},
    {"logo", "boot logo"}, {"rlgo", "logo for restoring"}, {"recm", "Recovery mode picture"}, {"rlg1", "Recovery logo 1"}, {"rlg2", "Recovery logo 2"},
    {"trst", "trust cache"}, {"rtsc", "trust cache for restoring"}, {"bstc", "trust cache of the base system"},
    {"trcs", "trust cache of the system cryptex"}, {"trca", "trust cache of the app cryptex"}, {"trbb", "trust cache of the bootability bundle"},
    {"ltrs", "loadable trust cache"},
    {"isys", "root hash of the system volume"}, {"csys", "root hash of the base system"}, {"cssy", "root hash of the system cryptex"},
    {"casy", "root hash of the app cryptex"}, {"msys", "canonical metadata of the system volume"}, {"csos", "system cryptex"}, {"caos", "app cryptex"},
    {"rosi", "OS image for restoring"}, {"lpol", "local policy"}, {"auxk", "auxiliary kernel collection"}, {"sepi", "Secure Enclave OS"},
    {"rsep", "Secure Enclave OS for restoring"}, {"ftab", "firmware table"}, {"bat0", "battery picture"}, {"chg0", "charging picture"},
};

static const struct name properties[] = {
    {"BNCH", "boot nonce hash"}, {"BNCN", "boot nonce generator"}, {"BORD", "board"}, {"CHIP", "chip"}, {"ECID", "machine (ECID)"},
    {"CEPO", "chip epoch"}, {"CPRO", "chip in production"}, {"CSEC", "chip secure"}, {"SDOM", "security domain"},
    {"DGST", "digest"}, {"EPRO", "effective production"}, {"ESEC", "effective security"}, {"EKEY", "may be decrypted"}, {"TRST", "trusted"},
    {"snon", "Secure Enclave nonce"}, {"srvn", "server nonce"}, {"love", "long version"}, {"apmv", "marketing version"}, {"prtp", "product type"},
    {"sdkp", "SDK platform"}, {"tagt", "target"}, {"tatp", "target type"}, {"tstp", "time"}, {"augs", "auto-updates allowed"},
    {"vugs", "volume updates allowed"}, {"pave", "paired version"}, {"clas", "class"}, {"fchp", "firmware chip"}, {"styp", "subtype"}, {"type", "type"},
    {"vnum", "version number"}, {"uidm", "UID mode"}, {"mmap", "memory map"}, {"rddg", "ramdisk digest"}, {"faic", "firmware image count"},
    {"lobo", "local boot"}, {"lpnh", "local policy nonce hash"}, {"rpnh", "remote policy nonce hash"}, {"ronh", "Recovery policy nonce hash"},
    {"nsih", "next stage's ticket hash"}, {"vuid", "volume group"}, {"kuid", "key encryption group"}, {"spih", "cryptex ticket hash"},
    {"hrlp", "has a Recovery policy"}, {"rolp", "Recovery's own policy"}, {"stng", "stage"}, {"smb0", "reduced security"},
    {"smb1", "permissive security"}, {"smb2", "third-party kernel extensions"}, {"smb3", "MDM control"}, {"smb4", "MDM enrolment"},
    {"sip0", "system integrity protection bits"}, {"sip1", "authenticated root off"}, {"sip2", "CTRR off"}, {"sip3", "boot-args filter off"},
    {"coih", "custom kernel hash"}, {"auxp", "auxiliary policy hash"}, {"auxi", "auxiliary image hash"}, {"auxr", "auxiliary receipt hash"},
    {"prot", "paired Recovery ticket"}, {"inst", "instance"}, {"kcep", "kernel epoch"}, {"kclf", "kernel flags"}, {"kclo", "kernel load address"},
    {"kclz", "kernel load size"},
};

static const char *find(const struct name *table, size_t n, const char *code)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(table[i].code, code))
            return table[i].text;
    return NULL;
}

const char *image4_type_name(const char *type)
{
    return find(types, ARRAY_SIZE(types), type);
}

const char *image4_property_name(const char *name)
{
    return find(properties, ARRAY_SIZE(properties), name);
}
