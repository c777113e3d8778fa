"""Prints what a page or a terminal might obey."""

import sys

sys.stdout.write("<script>document.title = 'taken'; alert(1)</script>\n")
sys.stdout.write("<img src=x onerror=\"alert(2)\"><a href='javascript:alert(3)'>here</a>\n")
sys.stdout.write("\x1b[31mred\x1b[0m and \x1b]0;a title\x07plain \x1b[2J\x1b[1;1Hhome\n")
sys.stdout.write("bell\x07 null\x00 escape\x1b end\x7f\n")
sys.stdout.write("over \u202eedirrw\u202c and \u200bnothing\n")
sys.stdout.write(" 10%\r 20%\r100% done\n")
sys.stdout.buffer.write(b"no utf-8: \xff\xfe\n")
sys.stdout.write("&lt;b&gt; &amp; stay as they are\n")
