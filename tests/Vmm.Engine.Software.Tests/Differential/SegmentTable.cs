using Vmm.Engine.Software.State;

namespace Vmm.Engine.Software.Tests.Differential;

/// <summary>The segments of Linux and of the native process's local descriptor table, as the interpreter has them loaded.</summary>
internal static class SegmentTable
{
    private const uint Code = 0xFB;
    private const uint Data = 0xF3;
    private const uint ExpandDown = 0xF7;
    private const uint ReadOnly = 0xF1;
    private const uint Unusable = 0x1_0000;
    private const uint Long = 0x2000;
    private const uint Big = 0x4000;
    private const uint Granular = 0x8000;

    public static SegmentCache Describe(ushort selector) => selector switch
    {
        0 => Segment(selector, 0, 0, Unusable),
        CaseLayout.Code64Selector => Segment(selector, 0, uint.MaxValue, Code | Long | Granular),
        CaseLayout.Code32Selector => Segment(selector, 0, uint.MaxValue, Code | Big | Granular),
        CaseLayout.DataSelector => Segment(selector, 0, uint.MaxValue, Data | Big | Granular),
        CaseLayout.Code16Selector => Segment(selector, CaseLayout.Code, CaseLayout.PageSize - 1, Code),
        CaseLayout.Data16Selector => Segment(selector, CaseLayout.Data, CaseLayout.DataSize - 1, Data),
        CaseLayout.ExpandDownSelector => Segment(selector, CaseLayout.Data, CaseLayout.ExpandDownLimit, ExpandDown),
        CaseLayout.ReadOnlySelector => Segment(selector, CaseLayout.Data, CaseLayout.DataSize - 1, ReadOnly),
        _ => throw new ArgumentOutOfRangeException(nameof(selector), selector, "No case uses this selector."),
    };

    private static SegmentCache Segment(ushort selector, ulong address, uint limit, uint rights) =>
        new() { Base = address, Limit = limit, AccessRights = rights, Selector = selector };
}
