#include <array>

#include "runtime/messages/families.h"

namespace ktrain {
namespace {

constexpr auto kMessages = std::to_array<Message>({
    {"KT-DATA-001", Exit::kNoInput, "a data folder or file is missing",
     "The path in the plan (data.root or a list under it) does not exist. The message shows the "
     "tree that the chosen layout expects."},
    {"KT-DATA-002", Exit::kData, "an image is damaged",
     "The file is truncated, or its contents contradict themselves. What other programs only warn "
     "of is an error here: a half-grey frame would be trained on like a good one. Fetch the file "
     "again; `ktrain check` lists every such file."},
    {"KT-DATA-003", Exit::kData, "an image is of a kind that is not read",
     "JPEG (baseline or progressive, grey or colour), PNG and BMP with 8 bits per channel are "
     "read. The kind is told by the file's first bytes, whatever its name says. Convert the file."},
    {"KT-DATA-004", Exit::kData, "a data file is over a size limit",
     "Limits hold before memory is taken: 16384 pixels per side, 64 million pixels and 256 MiB "
     "per image, 100 scans per progressive JPEG, 16 MiB per XML file, 1 GiB per JSON file, 32 "
     "and 64 levels of nesting. A file over them is either damaged or made to exhaust memory."},
    {"KT-DATA-005", Exit::kData, "an image carries an EXIF orientation",
     "Programs disagree on whether to turn such an image, so its boxes fit in one program and not "
     "in another, and the two modalities of a pair may be turned differently. Rewrite the file "
     "upright (jpegtran), or remove the tag when the boxes fit the pixels as stored."},
    {"KT-DATA-006", Exit::kData, "a path leads out of the data root",
     "Names in lists, JSON files and links must stay beneath data.root: no absolute names, no "
     "'..', no link to elsewhere. Otherwise a data set could read any file of yours. data.root "
     "itself may be a link."},
    {"KT-DATA-007", Exit::kData, "a data file cannot be read",
     "The file is there but is not a regular file, may not be read by this user, or became "
     "shorter while it was read."},
});

}  // namespace

std::span<const Message> data_messages() { return kMessages; }

}  // namespace ktrain
