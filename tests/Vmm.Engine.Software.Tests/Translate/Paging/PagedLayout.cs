namespace Vmm.Engine.Software.Tests.Translate.Paging;

/// <summary>
/// Where a paged program has what. Physical memory: a kernel below 2 MiB and a pool of pages above, both mapped to
/// themselves for the supervisor. The linear window maps the pool twice: its first 2 MiB page by page at random, the second either by
/// one large page or page by page in order. Both address spaces have tables of the same form.
/// </summary>
internal static class PagedLayout
{
    // The kernel; the places of ProtectedMachine are kept.
    public const uint UserStub = Pool + UserStubPage * 0x1000;
    public const uint Variables = 0x2_0000;
    public const uint SavedStack = Variables;
    public const uint SavedReturn = Variables + 8;
    public const uint LoopCount = Variables + 16;
    public const uint CallCount = Variables + 24;
    public const uint InvpcidDescriptor = Variables + 32;
    public const uint Main = 0x4_0000;
    public const uint MainStack = 0xE000;

    /// <summary>Page tables of the two address spaces: PML4, page-directory-pointer table, directory of the kernel, of the window, its two tables.</summary>
    public static readonly uint[] Spaces = [0x11_0000, 0x12_0000];
    public const uint OtherSpace = 0x11_0000 ^ 0x12_0000;
    public const uint KernelDirectory = 0x2000;
    public const uint WindowDirectory = 0x3000;
    public const uint WindowTable = 0x4000;
    public const uint TablesLength = 0x6000;

    // The pool: pages of code in twins, two more that only the end of the last leads to, data, and the user's stack and way back.
    public const uint Pool = 0x20_0000;
    public const int CodePages = 8;
    public const int LastPage = 8;
    public const int DataPage = 10;
    public const int DataPages = 8;
    public const int UserStackPage = 18;
    public const int UserStubPage = 19;
    public const int PoolPages = 20;

    // The window.
    public const uint Window = 0x4000_0000;
    public const uint LargeArea = Window + 0x20_0000;
    public const int StubSlot = 0;
    public const int StackSlot = 1;
    public const int CodeSlot = 2;
    public const int CodeSlots = 7;
    public const int DataSlot = 10;
    public const int DataSlots = 8;
    public const int AliasSlot = 19;
    public const int GlobalDataSlot = 22;
    public const int GlobalCodeSlot = 25;

    // A page of code: the end of what the page before begins, eight routines, the beginning of what the next page ends.
    public const int Routines = 8;
    public const int FirstRoutine = 0x100;
    public const int RoutineLength = 0x1C0;
    public const int Tail = FirstRoutine + Routines * RoutineLength;

    // Bits of a page-table entry that the processor ignores: what the page-fault handler does before it goes back. 0: nothing, it does not go back.
    public const ulong Repair = 1 << 9;
    public const ulong RepairWithNeighbour = 1 << 10;
    public const ulong SwapCode = 1 << 11;
    public const ulong Actions = Repair | RepairWithNeighbour | SwapCode;
    public const ulong Reserved = 1UL << 51;

    /// <summary>Physical address of a page of the pool.</summary>
    public static uint Page(int page) => Pool + (uint)page * 0x1000;

    /// <summary>Linear address of a slot of the window's first 2 MiB.</summary>
    public static uint Slot(int slot) => Window + (uint)slot * 0x1000;
}
