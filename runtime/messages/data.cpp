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
    {"KT-DATA-008", Exit::kData, "an XML annotation is broken",
     "The file is not well-formed XML, carries a DOCTYPE, is nested too deep, or an element that a "
     "box needs is missing or not a number. The message names the line."},
    {"KT-DATA-009", Exit::kData, "a text annotation is broken",
     "A line of a KAIST annotation does not have the fields that its format has (bbGt version 0 to "
     "3 after a header line, or the sanitized form with five fields). The message names the line."},
    {"KT-DATA-010", Exit::kData, "a JSON annotation is broken",
     "The file is not JSON, is nested too deep, holds a key or an id twice, or refers to an image "
     "or "
     "category that is not there. The message names line and column."},
    {"KT-DATA-011", Exit::kNoInput, "a pair is not complete",
     "Each pair needs its visible image, its thermal image and its annotation. A run on single "
     "images would silently be another experiment, so a missing partner is an error. Restore the "
     "file or take the pair out of the list."},
    {"KT-DATA-012", Exit::kData, "sizes within a pair differ",
     "Both images and the size in the annotation must agree; otherwise the boxes lie elsewhere "
     "than "
     "the people. Use the registered images of the data set."},
    {"KT-DATA-013", Exit::kData, "an unknown class name",
     "A name that is in neither data.labels.positive nor data.labels.ignore would become "
     "background, and the detector would be trained not to see it. Add it to one of the two."},
    {"KT-DATA-014", Exit::kData, "a box is no box",
     "The box is not a number, has no area, or lies outside the image. A box that only crosses the "
     "border is clipped and counted, not refused."},
    {"KT-DATA-015", Exit::kData, "a pair is listed twice",
     "The same id stands twice in the list. It would be trained on twice and counted twice."},
    {"KT-DATA-016", Exit::kData, "a data set holds no usable pair",
     "The list is empty, or no pair in it has a positive box: nothing could be learned or scored. "
     "Often the class names of the annotations differ from data.labels.positive."},
    {"KT-DATA-017", Exit::kPlan, "a batch has no room for its pairs",
     "A resized image is larger than the padded size, or a pair has more boxes than "
     "data.max_boxes. Shapes are planned before training, so nothing is cut off later; raise the "
     "setting that the message names."},
    {"KT-DATA-018", Exit::kCannotCreate, "no room for the built-in data set",
     "The folder where it should be made is not empty and holds something else, or the name beside "
     "it where it is put together, NAME.unfinished, is taken. Nothing that ktrain did not make is "
     "ever removed. Name another folder, or move away what is there."},
    {"KT-DATA-019", Exit::kData, "a built-in data set of another kind",
     "The folder holds a set that was made with other settings or by another version of the "
     "generator; the message lists what differs. Training on it would be another experiment. Name "
     "another folder, give the settings of the set that is there, or remove it."},
    {"KT-DATA-020", Exit::kData, "a built-in data set is not complete",
     "Files of the set are missing or were changed after it was made. The set is a function of its "
     "settings: remove the folder and the same command makes it again."},
    {"KT-DATA-021", Exit::kPlan, "a setting of the built-in data set is out of range",
     "The message names the setting, what was found and what is allowed."},
    {"KT-DATA-030", Exit::kPlan, "a data layout, list or choice of boxes that does not fit",
     "The layout is none of those that are read, or it has no list of its own for this use (M3FD "
     "has no official split), or whose boxes to take was chosen where both images share one "
     "annotation. docs/data.md has the table of layouts."},
    {"KT-DATA-031", Exit::kData, "the annotations of the two modalities do not go together",
     "Row i of the visible file and row i of the thermal file are one person in both images; here "
     "their numbers or their class names differ. Compare the two files; take the pair out of the "
     "list when one of them is lost."},
    {"KT-DATA-032", Exit::kData, "two lists share an image",
     "A pair that is trained on must not be one that is evaluated on: the score would be that of a "
     "memory. The same id or the same bytes stand in both lists. Take it out of one."},
    {"KT-DATA-033", Exit::kData, "two lists share a recording",
     "Neighbouring frames of one video or scene are nearly the same picture, so a score on them is "
     "too good. Split by recording: `data.train = \"LIST:!PREFIX\"` and `data.val = "
     "\"LIST:PREFIX\"` keep those ids apart that begin with PREFIX."},
    {"KT-DATA-034", Exit::kData, "visible and thermal images look swapped",
     "Thermal images have hardly any colour, visible ones by day have. Here it is the other way "
     "round, or both files hold the same picture. Check which folder is which; a thermal image in "
     "false colours should be replaced by the grey one."},
    {"KT-DATA-035", Exit::kData, "the same image or box stands twice",
     "Two pairs have the same visible or thermal image to the last byte, or a pair has the same "
     "box twice. Often a file was copied over another. What is meant twice counts twice."},
    {"KT-DATA-036", Exit::kData, "a list is not what its name says",
     "A published list has another number of names, or a list for training names KAIST's official "
     "test sets 06 to 11. Scores from it compare with nobody's."},
    {"KT-DATA-037", Exit::kData, "a class name that stands nowhere",
     "data.labels names a class that no annotation of the list has: misspelt, or of another data "
     "set."},
    {"KT-DATA-038", Exit::kData, "an image is of one colour",
     "Every pixel has the same value: a frame that the camera did not take, or that a conversion "
     "lost. Look at it, and take the pair out of the list."},
    {"KT-DATA-060", Exit::kData, "a line of a run's monitor.jsonl is damaged",
     "Every complete line is a JSON object that the monitor wrote; the message names file, line "
     "and "
     "place, what was found and what was wanted. A last line without an end is no error: the run "
     "is "
     "still writing it. Conclusions from a log with a hole in it would be conclusions about "
     "another "
     "run, so nothing is left out silently."},
    {"KT-DATA-061", Exit::kNoInput, "a run was not monitored",
     "The folder is not there, or holds no monitor.jsonl. The monitor writes it during training "
     "unless monitor.profile is off; it cannot be made afterwards."},
    {"KT-DATA-062", Exit::kNoInput, "a run's probes do not hold what was asked for",
     "There is no probe yet, the run trains on detection alone, or the remedy needs what the "
     "monitor's profile does not record. A run shorter than its probe interval has none."},
    {"KT-DATA-070", Exit::kNoInput, "a folder is none that a report can be made of",
     "Every run writes STATUS, run.cfg and scalars.jsonl into its folder; a recovery has "
     "state.json "
     "and decisions.jsonl, an experiment DESIGN and design.cfg. Name the folders of runs, such as "
     "runs/plan_a, a recovery's, which stands for the runs that it has decided on, or that of an "
     "experiment of a few runs; `ktrain watch DIR` lists what lies beneath a folder."},
});

}  // namespace

std::span<const Message> data_messages() { return kMessages; }

}  // namespace ktrain
