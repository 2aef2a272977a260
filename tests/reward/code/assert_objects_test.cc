// Asserts over objects of the submission and of the tests.

#include "tests/reward/code/assert_case.h"

namespace cohort::reward::judge {
namespace {

class AssertObjects : public SandboxTest {};

TEST_F(AssertObjects, ObjectsOfEitherSideAreWorkedWith) {
  Accepts({
      {R"py(class V:
    def __init__(s,x,y): s.x,s.y=x,y
    def __eq__(s,o): return (s.x,s.y)==(o.x,o.y)
    def __mul__(s,k): return V(s.x*k,s.y*k)
    __rmul__=__mul__
    def __matmul__(s,o): return s.x*o.x+s.y*o.y
    def __neg__(s): return V(-s.x,-s.y)
    def __abs__(s): return (s.x**2+s.y**2)**.5
    def __lt__(s,o): return s.x<o.x
    def __repr__(s): return 'V(%d, %d)'%(s.x,s.y)
    def __hash__(s): return hash((s.x,s.y)))py",
       {"assert V(1,2)==V(1,2)",
        "assert V(1,2)!=V(1,3)",
        "assert V(1,2)*2==V(2,4)",
        "assert 2*V(1,2)==V(2,4)",
        "assert V(1,2)@V(3,4)==11",
        "assert -V(1,2)==V(-1,-2)",
        "assert abs(V(3,4))==5",
        "assert sorted([V(2,0),V(1,0)])[0].x==1",
        "assert repr(V(1,2))=='V(1, 2)'",
        "assert str(V(1,2))=='V(1, 2)'",
        "assert len({V(1,2),V(1,2)})==1",
        "assert {V(1,2):3}[V(1,2)]==3",
        "assert V(1,2) in [V(1,2)]",
        R"py(v=V(1,2)
v.x=7
assert v.x==7)py",
        "assert f'{V(1,2)}'=='V(1, 2)'",
        "assert isinstance(V(1,2),V) and not isinstance(3,V)",
        "assert type(V(1,2)) is V and type(V(1,2)).__name__=='V'",
        "assert V(1,2).__class__.__name__=='V'",
        "assert V(1,2)!=(1,2)",
        "assert max(V(1,0),V(2,0)).x==2"},
       ""},
      {R"py(from dataclasses import dataclass
@dataclass
class P:
    x:int
    y:int=0
def f(): return P(1,2))py",
       {"assert f()==P(1,2)", "assert f()!=P(1,3)", "assert [f()]==[P(1,2)]"},
       ""},
      {R"py(from collections import namedtuple
P=namedtuple('P','x y')
def f(): return P(1,2))py",
       {"assert f().x==1 and f()==(1,2) and f()==P(1,2)", R"py(a,b=f()
assert (a,b)==(1,2))py",
        "assert f()[1]==2 and len(f())==2", "assert isinstance(f(),P) and isinstance(f(),tuple)",
        "assert f()._asdict()=={'x':1,'y':2}", "assert f()._replace(x=5).x==5"},
       ""},
      {R"py(from enum import Enum,IntEnum
class C(Enum):
    R=1
    B=2
class I(IntEnum):
    A=3
def f(): return C.R
def g(): return I.A)py",
       {"assert f() is C.R", "assert f()!=C.B", "assert f().value==1 and f().name=='R'",
        "assert C(2)==C.B and C['B'] is C.B", "assert len(C)==2 and [c.value for c in C]==[1,2]",
        "assert g()==3 and g()+1==4 and g() in (1,3)", "assert {C.R:1}[f()]==1", "assert C.R in C"},
       ""},
      {R"py(import numpy as np
def f(x): return np.array(x)*2
def g(a): return a.sum())py",
       {R"py(import numpy as np
assert np.allclose(f([1,2]),[2,4])
assert (f([1,2])==np.array([2,4])).all()
assert f([1,2]).tolist()==[2,4]
assert g(np.array([1,2]))==3
np.testing.assert_array_equal(f([1]),np.array([2])))py"},
       ""},
      {R"py(class L(dict):
    def put(s,k,v): s[k]=v)py",
       {R"py(l=L()
l.put(1,2)
assert l=={1:2} and l[1]==2 and len(l)==1 and isinstance(l,dict))py"},
       ""},
      {R"py(from collections import OrderedDict
class LRUCache(OrderedDict):
    def __init__(s,c):
        super().__init__()
        s.c=c
    def get(s,k):
        if k not in s: return -1
        s.move_to_end(k)
        return s[k]
    def put(s,k,v):
        s[k]=v
        s.move_to_end(k)
        if len(s)>s.c: s.popitem(last=False))py",
       {R"py(c=LRUCache(2)
c.put(1,1)
c.put(2,2)
assert c.get(1)==1
c.put(3,3)
assert c.get(2)==-1)py"},
       ""},
      {R"py(class E(Exception):
    def __init__(s,code):
        super().__init__('bad')
        s.code=code
class F(E): pass
def f(): raise F(7))py",
       {R"py(try:
    f()
    assert False
except E as e:
    assert e.code==7 and str(e)=='bad')py",
        R"py(try:
    f()
    assert False
except F as e: pass)py"},
       ""},
      {"def f(d): return d['x']",
       {R"py(try:
    f({})
    assert False
except KeyError as e:
    assert e.args==('x',))py"},
       ""},
      {R"py(class Ctx:
    def __enter__(s): return s
    def __exit__(s,t,e,b):
        s.kind=t and t.__name__
        return True)py",
       {R"py(c=Ctx()
with c:
    raise ValueError('x')
assert c.kind=='ValueError')py"},
       ""},
      {R"py(class Ctx:
    def __enter__(s): return s
    def __exit__(s,t,e,b): return False)py",
       {R"py(try:
    with Ctx():
        raise ValueError('x')
    assert False
except ValueError: pass)py"},
       ""},
      {R"py(from contextlib import contextmanager
@contextmanager
def f():
    yield 3)py",
       {R"py(with f() as x:
    assert x==3)py"},
       ""},
      {R"py(LOG=[]
def f(): LOG.append(1))py",
       {R"py(f()
assert LOG==[1])py",
        R"py(LOG.clear()
f()
f()
assert LOG==[1,1] and len(LOG)==2)py"},
       ""},
      {R"py(COUNT=0
def f():
    global COUNT
    COUNT+=1)py",
       {R"py(def check():
    f()
    f()
    assert COUNT==2
check())py"},
       ""},
      {R"py(class S:
    def __init__(s): s._items=[]
    def push(s,x): s._items.append(x)
    def __len__(s): return len(s._items)
    def __contains__(s,x): return x in s._items
    def __getitem__(s,i): return s._items[i]
    def __setitem__(s,i,v): s._items[i]=v
    def __delitem__(s,i): del s._items[i]
    def __iter__(s): return iter(s._items)
    def __call__(s,x): return x+1
    def __bool__(s): return bool(s._items))py",
       {R"py(s=S()
assert not s
s.push(1)
assert s
assert 1 in s and 2 not in s
s[0]=5
assert s[0]==5
assert list(s)==[5]
assert s(1)==2
del s[0]
assert len(s)==0)py",
        R"py(s=S()
s.push(1)
assert s._items==[1])py"},
       ""},
      {R"py(class A:
    def hi(s): return 'a'
class B(A): pass)py",
       {"assert issubclass(B,A) and isinstance(B(),A) and B().hi()=='a'"},
       ""},
      {"def f(x,t): return [v for v in x if isinstance(v,t)]",
       {R"py(assert f([1,'a',2.5],int)==[1]
assert f([1,'a'],(int,str))==[1,'a'])py"},
       ""},
      {"def f(x): return type(x)", {"assert f(1) is int and f([]) == list"}, ""},
      {"def f(): return ...", {"assert f() is Ellipsis"}, ""},
      {"def f(g): return g(3)",
       {R"py(assert f(lambda x:x*2)==6
assert f(str)=='3'
import math
assert f(math.factorial)==6)py"},
       ""},
      {R"py(def f(g):
    try: return g()
    except ValueError as e: return str(e))py",
       {R"py(def bad(): raise ValueError('no')
assert f(bad)=='no')py"},
       ""},
      {R"py(import functools
def deco(fn):
    @functools.wraps(fn)
    def w(*a): return fn(*a)+1
    return w)py",
       {R"py(@deco
def g(x): return x
assert g(1)==2)py"},
       ""},
      {R"py(def deco(fn):
    def w(*a): return fn(*a)+1
    w.calls=0
    return w)py",
       {R"py(g=deco(lambda x:x)
assert g(1)==2 and g.calls==0)py"},
       ""},
      {R"py(def f(node):
    n=0
    while node:
        n+=node.val
        node=node.next
    return n)py",
       {R"py(class Node:
    def __init__(s,v,n=None): s.val,s.next=v,n
assert f(Node(1,Node(2)))==3)py"},
       ""},
      {R"py(def f(node):
    p=None
    while node:
        node.next,p,node=p,node,node.next
    return p)py",
       {R"py(class Node:
    def __init__(s,v,n=None): s.val,s.next=v,n
r=f(Node(1,Node(2)))
assert r.val==2 and r.next.val==1 and r.next.next is None)py"},
       ""},
      {"def f(xs): return sorted(xs)[0].v",
       {R"py(class T:
    def __init__(s,v): s.v=v
    def __lt__(s,o): return s.v<o.v
assert f([T(3),T(1)])==1)py"},
       ""},
      {"def f(p): return p.x+p[1]",
       {R"py(from collections import namedtuple
P=namedtuple('P','x y')
assert f(P(1,2))==3)py"},
       ""},
      {"def f(s): return s.read().upper()",
       {R"py(import io
assert f(io.StringIO('ab'))=='AB')py"},
       ""},
      {"def f(s): s.write('hi')",
       {R"py(import io
b=io.StringIO()
f(b)
assert b.getvalue()=='hi')py"},
       ""},
      {"def f(): print('hi')",
       {R"py(import io,sys
old=sys.stdout
sys.stdout=io.StringIO()
f()
out=sys.stdout.getvalue()
sys.stdout=old
assert out=='hi\n')py"},
       ""},
  });
}

TEST_F(AssertObjects, ObjectsOfEitherSideAreToldApart) {
  Rejects({
      {R"py(from dataclasses import dataclass
@dataclass
class P:
    x:int
    y:int=0
def f(): return P(1,3))py",
       {"assert f()==P(1,2)"},
       ""},
      {R"py(from enum import Enum
class C(Enum):
    R=1
    B=2
def f(): return C.B)py",
       {"assert f()==C.R"},
       ""},
      {R"py(import numpy as np
def f(x): return np.array(x)*3)py",
       {R"py(import numpy as np
assert np.allclose(f([1,2]),[2,4]))py"},
       ""},
      {R"py(COUNT=0
def f():
    global COUNT
    COUNT+=2)py",
       {R"py(f()
assert COUNT==1)py"},
       ""},
      {"def f(): print('ho')",
       {R"py(import io,contextlib
b=io.StringIO()
with contextlib.redirect_stdout(b):
    f()
assert b.getvalue()=='hi\n')py"},
       ""},
  });
}

}  // namespace
}  // namespace cohort::reward::judge
