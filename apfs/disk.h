/*
 * disk.h - the Apple File System on disk: offsets and constants (Apple, "Apple File System Reference", 2020-06-22; chapter names in brackets).
 *
 * Offsets count from the beginning of the object, header included. All integers are little-endian; blocks have 4096 bytes.
 */
#ifndef APFS_DISK_H
#define APFS_DISK_H

enum { APFS_BLOCK = 4096, APFS_BLOCK_BITS = 12, APFS_UUID = 16 };

/* [Objects] obj_phys_t */
enum { O_CHECKSUM = 0x00, O_OID = 0x08, O_XID = 0x10, O_TYPE = 0x18, O_SUBTYPE = 0x1c, O_HEADER = 0x20 };
#define O_EPHEMERAL 0x80000000u
#define O_PHYSICAL  0x40000000u
enum { O_TYPE_MASK = 0xffff };
enum {
    TYPE_NX = 1,             /* container superblock */
    TYPE_TREE = 2,           /* root node */
    TYPE_NODE = 3,
    TYPE_SPACEMAN = 5,
    TYPE_CAB = 6,            /* addresses of chunk-info blocks */
    TYPE_CIB = 7,            /* chunk-info block */
    TYPE_FREE_QUEUE = 9,     /* subtypes of trees: this ... */
    TYPE_OMAP = 0xb,
    TYPE_CHECKPOINT_MAP = 0xc,
    TYPE_VOLUME = 0xd,
    TYPE_CATALOG = 0xe,
    TYPE_EXTENT_REFS = 0xf,
    TYPE_SNAPSHOTS = 0x10,   /* ... to this */
    TYPE_REAPER = 0x11,
};
enum { OID_NX = 1, OID_FIRST = 1024 }; /* smaller ones are reserved */

/* [Container] nx_superblock_t */
#define NX_MAGIC_VALUE 0x4253584eu /* "NXSB" */
enum {
    NX_MAGIC = 0x20, NX_BLOCK_SIZE = 0x24, NX_BLOCKS = 0x28, NX_INCOMPATIBLE = 0x40, NX_UUID = 0x48, NX_NEXT_OID = 0x58, NX_NEXT_XID = 0x60,
    NX_DESC_BLOCKS = 0x68, NX_DATA_BLOCKS = 0x6c, NX_DESC_BASE = 0x70, NX_DATA_BASE = 0x78, NX_DESC_NEXT = 0x80, NX_DATA_NEXT = 0x84,
    NX_DESC_INDEX = 0x88, NX_DESC_LEN = 0x8c, NX_DATA_INDEX = 0x90, NX_DATA_LEN = 0x94, NX_SPACEMAN = 0x98, NX_OMAP = 0xa0, NX_REAPER = 0xa8,
    NX_MAX_VOLUMES = 0xb4, NX_VOLUMES = 0xb8, NX_EPHEMERAL_INFO = 0x520,
};
enum { NX_VERSION_2 = 2, NX_VOLUMES_MAX = 100 };

/* [Container] checkpoint_map_phys_t: a header, then mappings of 40 bytes */
enum { CPM_FLAGS = 0x20, CPM_COUNT = 0x24, CPM_MAP = 0x28, CPM_ENTRY = 40, CPM_LAST = 1 };
enum { CPE_TYPE = 0, CPE_SUBTYPE = 4, CPE_SIZE = 8, CPE_OID = 24, CPE_BLOCK = 32 };

/* [Reaper] nx_reaper_phys_t */
enum { NR_NEXT_ID = 0x20, NR_FLAGS = 0x40, NR_STATE_SIZE = 0x6c, NR_BYTES = 0x70, NR_BHM = 1 };

/* [Object Maps] omap_phys_t, omap_key_t, omap_val_t */
enum { OM_FLAGS = 0x20, OM_TREE_TYPE = 0x28, OM_SNAPSHOT_TREE_TYPE = 0x2c, OM_TREE = 0x30, OM_MANUAL = 1 };
enum { OMK_OID = 0, OMK_XID = 8, OMK_BYTES = 16, OMV_FLAGS = 0, OMV_SIZE = 4, OMV_BLOCK = 8, OMV_BYTES = 16, OMV_DELETED = 1 };

/* [B-Trees] btree_node_phys_t, btree_info_t */
enum {
    BTN_FLAGS = 0x20, BTN_LEVEL = 0x22, BTN_KEYS = 0x24, BTN_TABLE_OFFSET = 0x28, BTN_TABLE_BYTES = 0x2a, BTN_FREE_OFFSET = 0x2c,
    BTN_FREE_BYTES = 0x2e, BTN_KEY_FREE = 0x30, BTN_VALUE_FREE = 0x34, BTN_DATA = 0x38,
};
enum { BTN_ROOT = 1, BTN_LEAF = 2, BTN_FIXED = 4, BTN_HASHED = 8, BTN_NO_HEADER = 0x10, BTN_NONE = 0xffff };
enum { BT_FLAGS = 0, BT_NODE_SIZE = 4, BT_KEY_SIZE = 8, BT_VALUE_SIZE = 12, BT_LONGEST_KEY = 16, BT_LONGEST_VALUE = 20, BT_KEYS = 24, BT_NODES = 32, BT_BYTES = 40 };
enum { BT_GHOSTS = 4, BT_EPHEMERAL = 8, BT_PHYSICAL = 0x10, BT_NOT_ALIGNED = 0x40 };

/* [Space Manager] spaceman_phys_t; [..] chunk_info_block_t, cib_addr_block_t */
enum {
    SM_BLOCK_SIZE = 0x20, SM_CHUNK_BLOCKS = 0x24, SM_CIB_CHUNKS = 0x28, SM_CAB_CIBS = 0x2c, SM_DEVICE = 0x30, SM_DEVICE_BYTES = 48,
    SM_FLAGS = 0x90, SM_TX_MULTIPLIER = 0x94, SM_IP_BLOCKS = 0x98, SM_IP_BM_SIZE = 0xa0, SM_IP_BM_BLOCKS = 0xa4, SM_IP_BM_BASE = 0xa8, SM_IP_BASE = 0xb0,
    SM_QUEUES = 0xc8, SM_QUEUE_BYTES = 40, SM_IP_BM_FREE_HEAD = 0x140, SM_IP_BM_FREE_TAIL = 0x142, SM_IP_BM_XID = 0x144, SM_IP_BM_INDEX = 0x148,
    SM_IP_BM_NEXT = 0x14c, SM_ARRAYS = 0x150,
};
enum { SMD_BLOCKS = 0, SMD_CHUNKS = 8, SMD_CIBS = 16, SMD_CABS = 20, SMD_FREE = 24, SMD_ADDRESSES = 32 };
enum { SMQ_COUNT = 0, SMQ_TREE = 8, SMQ_NODE_LIMIT = 24 };
enum { CHUNK_BLOCKS = 8 * APFS_BLOCK, CIB_CHUNKS = 126, CAB_CIBS = 507, IP_COPIES = 16 };
enum { CIB_INDEX = 0x20, CIB_COUNT = 0x24, CIB_CHUNK = 0x28, CIB_CHUNK_BYTES = 32 };
enum { CI_XID = 0, CI_FIRST = 8, CI_BLOCKS = 16, CI_FREE = 20, CI_BITMAP = 24 };

/* [Volumes] apfs_superblock_t */
#define APSB_MAGIC_VALUE 0x42535041u /* "APSB" */
enum {
    VS_MAGIC = 0x20, VS_INDEX = 0x24, VS_FEATURES = 0x28, VS_INCOMPATIBLE = 0x38, VS_ALLOCATED = 0x58, VS_CRYPTO = 0x60, VS_ROOT_TYPE = 0x74,
    VS_EXTENTS_TYPE = 0x78, VS_SNAPSHOTS_TYPE = 0x7c, VS_OMAP = 0x80, VS_ROOT = 0x88, VS_EXTENTS = 0x90, VS_SNAPSHOTS = 0x98, VS_NEXT_ID = 0xb0,
    VS_FILES = 0xb8, VS_FOLDERS = 0xc0, VS_SYMLINKS = 0xc8, VS_OTHERS = 0xd0, VS_SNAPSHOT_COUNT = 0xd8, VS_TOTAL_ALLOCATED = 0xe0, VS_UUID = 0xf0, VS_MODIFIED = 0x100,
    VS_FLAGS = 0x108, VS_FORMATTED_BY = 0x110, VS_NAME = 0x2c0, VS_NAME_BYTES = 256, VS_NEXT_DOCUMENT = 0x3c0, VS_ROLE = 0x3c4, VS_GROUP = 0x3f0,
};
enum { VS_BY_NAME = 0, VS_BY_TIME = 32, VS_BY_XID = 40 };
enum { VS_HARD_LINK_MAP = 2, VS_GROUP_SYSTEM_IDS = 0x10, VS_CASE_INSENSITIVE = 1, VS_NORMALISATION_INSENSITIVE = 8, VS_SEALED = 0x20, VS_UNENCRYPTED = 1 };

/* [File-System Objects] keys: u64 id | type << 60 */
enum { KEY_TYPE_SHIFT = 60, KEY_HEADER = 8 };
#define KEY_ID_MASK 0x0fffffffffffffffull
enum { REC_EXTENT = 2, REC_INODE = 3, REC_XATTR = 4, REC_STREAM = 6, REC_FILE_EXTENT = 8, REC_NAME = 9 };
enum {
    INODE_PARENT = 0, INODE_PRIVATE = 8, INODE_CREATED = 16, INODE_MODIFIED = 24, INODE_CHANGED = 32, INODE_ACCESSED = 40, INODE_FLAGS = 48,
    INODE_LINKS = 56, INODE_CLASS = 60, INODE_BSD_FLAGS = 68, INODE_UID = 72, INODE_GID = 76, INODE_MODE = 80, INODE_XFIELDS = 92,
};
enum { INODE_NO_RESOURCE_FORK = 0x8000, INODE_COMPRESSED = 0x20 /* BSD flag UF_COMPRESSED */ };
enum { XF_NAME = 4, XF_STREAM = 8, XF_DO_NOT_COPY = 2, XF_SYSTEM = 0x20, XF_STREAM_BYTES = 40 };
enum { NAME_HASH = 8, NAME_TEXT = 12, NAME_VALUE_BYTES = 18, NAME_LENGTH_MASK = 0x3ff };
enum { XATTR_EMBEDDED = 2, XATTR_OWNED = 4, XATTR_STREAM = 1, XATTR_EMBEDDED_MAX = 3804 };
enum { FILE_EXTENT_BYTES = 24, EXTENT_BYTES = 20, EXTENT_NEW = 1 };
#define EXTENT_LENGTH_MASK 0x00ffffffffffffffull
enum { ID_ROOT_PARENT = 1, ID_ROOT = 2, ID_PRIVATE = 3, ID_FIRST = 16 };
#define ID_SYSTEM_OF_GROUP 0x0800000000000000ull /* from here on are the numbers of a group's System volume */

#endif
