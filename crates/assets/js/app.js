/**
 * The page's scripts, started in the order in which they must hear of things: what changes
 * rows before what measures them. Without scripts every page still works; nothing here is
 * needed to read or to post.
 */
import { emit } from "./bus.js";
import * as composer from "./composer.js";
import { localize } from "./decorate.js";
import { byId, me } from "./dom.js";
import * as edit from "./edit.js";
import * as forms from "./forms.js";
import * as live from "./live.js";
import * as panes from "./panes.js";
import * as pending from "./pending.js";
import * as read from "./read.js";
import * as rooms from "./rooms.js";
import * as sender from "./sender.js";
import * as sidebar from "./sidebar.js";
import * as timeline from "./timeline.js";
import * as title from "./title.js";
import * as toolbar from "./toolbar.js";
import * as typing from "./typing.js";

for (const time of document.querySelectorAll("time[datetime]")) {
  if (time instanceof HTMLTimeElement && !time.closest("#messages") && time.hasAttribute("data-local")) localize(time);
}
if (me().id !== "") {
  toolbar.start();
  edit.start();
  sender.start();
  pending.start();
  timeline.start();
  composer.start();
  typing.start();
  read.start();
  title.start();
  sidebar.start();
  panes.start();
  rooms.start();
  emit("room", byId("main"));
  live.start();
}
// Last: it leaves alone what others have taken over.
forms.start();
document.documentElement.dataset.scripts = "on";
