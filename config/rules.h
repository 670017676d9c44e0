/*
 * rules.h - every rule that a configuration must keep, one row each: what Apple's framework validates (VZVirtualMachineConfiguration.validate and
 * the class headers) and what is ours. Nothing else in the house says what is allowed; docs and messages are made from the rows.
 */
#ifndef CONFIG_RULES_H
#define CONFIG_RULES_H

#include "base/findings.h"

/* id, code, severity, allowed, what to do, where the rule is from */
#define CONFIG_RULES(R)                                                                                                                              \
    /* the text */                                                                                                                                   \
    R(SYNTAX, "json-syntax", ERROR, "JSON (RFC 8259), keys once each", "correct the text at that place", "ours")                                     \
    R(TOO_LARGE, "json-size", ERROR, "1 to 65536 bytes", "check that this is a Config.json", "ours")                                                 \
    R(NOT_OBJECT, "json-object", ERROR, "an object", "begin the text with {", "ours")                                                                \
    R(KEY_UNKNOWN, "key-unknown", ERROR, "a known key", "correct the key, or remove it", "ours")                                                     \
    R(KEY_MISSING, "key-missing", ERROR, "this key", "add it, or run \"pome bundle repair\"", "ours")                                                \
    R(TYPE, "value-type", ERROR, "a value of another type", "correct the value", "ours")                                                             \
    R(WORD, "value-unknown", ERROR, "one of the words", "use one of the words", "ours")                                                              \
    R(TEXT, "text-length", ERROR, "a shorter text without control characters", "shorten it", "ours")                                                 \
    R(VERSION, "version", ERROR, "1", "use a newer Pome, or correct the number", "ours")                                                             \
    R(ITEMS, "too-many-items", ERROR, "fewer items", "remove some", "ours")                                                                          \
    /* processor and memory */                                                                                                                       \
    R(CPU_COUNT, "cpu-count-range", ERROR, "1 to 32", "choose a number in this range (pome config set NAME cpuCount N, before installing)",           \
      "VZ: minimumAllowedCPUCount..maximumAllowedCPUCount")                                                                                          \
    R(MEMORY_RANGE, "memory-range", ERROR, "134217728 (128 MiB) to 272730423296 (254 GiB)", "choose a size in this range (pome config set NAME memorySize 4GiB)", \
      "VZ: minimumAllowedMemorySize..maximumAllowedMemorySize")                                                                                      \
    R(MEMORY_MULTIPLE, "memory-multiple", ERROR, "a multiple of 1048576 (1 MiB)", "round it: 512MiB, 4GiB", "VZ: memorySize")                        \
    R(MEMORY_HOST, "memory-host", WARNING, "less than the host has", "give it less, or expect the host to swap", "ours")                             \
    R(IMAGE_CPUS, "image-cpu-count", ERROR, "as many as the image asks for", "give it more (--cpus)", "VZ: minimumSupportedCPUCount")                   \
    R(IMAGE_MEMORY, "image-memory", ERROR, "as much as the image asks for", "give it more (--memory)", "VZ: minimumSupportedMemorySize")             \
    R(IMAGE_DISK, "image-disk-size", ERROR, "as much as the installation fills", "make it larger (--disk)", "ours; VZ: error 8")                     \
    R(FIXED, "fixed-at-installation", ERROR, "the value it was installed with", "make a new machine with the other value (pome create)",             \
      "VZ: the platform's parts must be those of the installation")                                                                                  \
    /* platform and boot loader */                                                                                                                   \
    R(BOOT_MISSING, "boot-loader-missing", ERROR, "a boot loader", "name a kernel (--kernel FILE), or boot.type and boot.kernel in Config.json",     \
      "VZ: bootLoader")                                                                                                                              \
    R(BOOT_PLATFORM, "boot-loader-platform", ERROR, "\"rom\" with the platform \"apple\", \"linux\" or \"efi\" with \"generic\"",                    \
      "change boot.type or platform so that they fit", "VZ: macOS boot loader with a Mac platform only, Linux and EFI with a generic one only")      \
    R(BUNDLE_ONLY, "bundle-only", ERROR, "the generic platform with a Linux or EFI boot loader", "make the machine from a bundle", "ours")             \
    R(DEVICE_MISSING, "device-not-supported", ERROR, "a device that Pome has", "remove it", "ours")                                                  \
    R(BOOT_KERNEL, "boot-kernel-missing", ERROR, "the name of a kernel", "set boot.kernel to a file in the bundle", "VZ: VZLinuxBootLoader.kernelURL") \
    R(COMMAND_LINE, "command-line-length", ERROR, "at most 2047 bytes", "shorten it: Linux takes no more", "Linux arm64: COMMAND_LINE_SIZE")         \
    R(FILE_MISSING, "file-missing", ERROR, "a file that is there and can be read", "check the path", "VZ: attachment errors, POSIX ENOENT")          \
    R(FILE_KIND, "file-kind", ERROR, "a regular file or a block device", "check the path", "VZ: attachment errors")                                  \
    /* storage */                                                                                                                                    \
    R(DISK_SIZE, "disk-size", ERROR, "a multiple of 512 bytes, not empty", "check that it is a raw image, and that it is whole", "VZ: error 5")      \
    R(DISK_NAME, "disk-file-name", ERROR, "a name without a slash: a file in the bundle", "put the file into the bundle and give its name", "ours")  \
    R(DISK_TWICE, "disk-twice", ERROR, "each file once", "remove one of the two", "ours: two writers destroy a file system")                         \
    R(DISK_TYPE, "disk-type-platform", ERROR, "\"virtio\" with the platform \"apple\"", "use \"virtio\"", "VZ: NVMe with a generic platform only")   \
    R(DISK_ID, "disk-identifier", ERROR, "1 to 20 ASCII characters", "shorten it", "VZ: validateBlockDeviceIdentifier")                              \
    /* network */                                                                                                                                    \
    R(MAC, "mac-address", ERROR, "six pairs of hexadecimal digits with colons, not a group address, not 0", "correct it: 06:e8:a3:b0:23:b4",         \
      "VZ: VZMACAddress")                                                                                                                            \
    R(MAC_TWICE, "mac-twice", ERROR, "each address once", "change one of the two", "ours: tart regenerates them")                                    \
    R(MTU, "mtu-range", ERROR, "0 (default), or 1500 to 65535", "choose a number in this range", "VZ: maximumTransmissionUnit")                      \
    /* display and input */                                                                                                                          \
    R(DISPLAYS, "displays-per-machine", ERROR, "at most one with the platform \"apple\"", "remove the others", "VZ: one display for a Mac graphics device") \
    R(DISPLAY_SIZE, "display-size", ERROR, "1 to 16384", "choose a number in this range", "VZ: an axis above 16384 is refused")                      \
    R(DISPLAY_PPI, "display-density", ERROR, "1 to 1000", "choose a number in this range", "ours")                                                   \
    R(POINTING, "pointing-devices", ERROR, "at most one with \"generic\"; with \"apple\" one \"usb\" and one \"mac\"", "remove the others",          \
      "VZ: more than one is refused; Mac platform: the USB and Mac pair")                                                                            \
    R(KEYBOARDS, "keyboards", ERROR, "at most one with \"generic\"; with \"apple\" one \"usb\" and one \"mac\"", "remove the others", "VZ: as for pointing devices") \
    R(MAC_INPUT, "mac-input-platform", ERROR, "\"usb\" with the platform \"generic\"", "use \"usb\"", "VZ: Mac keyboard and trackpad need a Mac platform") \
    R(NETWORK_SOCKET, "network-socket", ERROR, "an absolute path of a datagram socket, for the type \"file\"", "add it: networks[N].socket", "ours")    \
    R(FORWARD_ADDRESS, "forward-address", ERROR, "an IPv4 or IPv6 address of this host", "correct it, or leave it out for 127.0.0.1", "ours")          \
    R(FORWARD_PORT, "forward-port", ERROR, "1 to 65535", "choose a port in this range", "ours")                                                        \
    R(FORWARD_NETWORK, "forward-network", ERROR, "a network of type \"nat\"", "add one, or remove the forwards", "ours")                               \
    /* other devices */                                                                                                                              \
    R(BALLOONS, "balloons", ERROR, "at most one", "remove the others", "VZ: memoryBalloonDevices")                                                   \
    R(SOCKETS, "sockets", ERROR, "at most one", "remove the others", "VZ: socketDevices")                                                            \
    R(SERIAL_PORTS, "serial-ports", ERROR, "at most 10", "remove some", "VZ: virtio console serial ports")                                           \
    R(CONSOLE_PORTS, "console-ports", ERROR, "at most 14 serial and console ports", "remove some", "ours")                                             \
    R(PORT_NAME, "port-name", ERROR, "1 to 40 letters, digits, dots, - and _; not hvc and a number, not org.pome.log", "choose another name", "VZ: VZVirtioConsolePortConfiguration.name") \
    R(PORT_TWICE, "port-name-twice", ERROR, "each name once", "change one of the two", "VZ: names tell ports apart in the guest")                      \
    R(PORT_PATH, "port-path", ERROR, "an absolute path", "correct it, or leave it out for a socket of Pome's", "ours")                                \
    R(PORT_ENDS, "port-ends", ERROR, "a socket or a file", "remove one of the two", "VZ: a port has one attachment")                                  \
    R(SHARE_TAG, "share-tag", ERROR, "1 to 35 bytes", "shorten it", "VZ: validateTag")                                                               \
    R(SHARE_TWICE, "share-tag-twice", ERROR, "each tag once", "change one of the two", "VZ: tags name the device in the guest")                      \
    R(SHARE_PATH, "share-path", ERROR, "an absolute path of a folder", "correct the path, or make the folder", "VZ: ENOENT, ENOTDIR")                \
    R(NO_DEVICE, "device-not-there-yet", WARNING, "nothing: Pome has no such device yet", "leave it: it is kept for later; the guest does not see it", "ours")

enum config_rule {
#define CONFIG_RULE_ENUM(id, code, severity, allowed, advice, source) RULE_##id,
    CONFIG_RULES(CONFIG_RULE_ENUM)
#undef CONFIG_RULE_ENUM
    CONFIG_RULE_COUNT,
};

extern const struct rule config_rules[CONFIG_RULE_COUNT];

/* Where a rule is from. */
const char *config_rule_source(enum config_rule rule);

#endif
